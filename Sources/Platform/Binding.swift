import CAffinity
import Foundation

/// The cores that a process keeps to. Processes that choose their cores here, of one run or of several side by side, choose
/// different ones.
///
/// A core is taken by a socket with an abstract name: the system gives a name to one process at a time, across users, and frees it
/// when the process ends, however it ends. Network namespaces are apart, as different hosts are.
public enum Binding {
  /// Binds this process to `count` cores next to one another that nobody has taken, and returns their processors; nil, and nothing
  /// is bound, where there are not that many. Threads started from now on inherit it.
  public static func take(cores count: Int) -> [Int]? {
    guard let turn = waitForTurn() else { return nil }
    defer { close(turn) }
    var (chosen, packages) = ([[Int]](), Set<Int>())
    let free = Machine.cores.filter { core in
      guard let socket = own("core-\(core[0])") else { return false }
      close(socket)
      return true
    }
    // One package's cores where they are enough.
    for package in free.map({ Machine.package(of: $0[0]) }) where packages.insert(package).inserted && chosen.isEmpty {
      let inside = free.filter { Machine.package(of: $0[0]) == package }
      if inside.count >= count { chosen = Array(inside.prefix(count)) }
    }
    if chosen.isEmpty, free.count >= count { chosen = Array(free.prefix(count)) }
    let processors = chosen.flatMap { $0 }.sorted()
    guard !chosen.isEmpty, dms_bind(processors.map(Int32.init), Int32(processors.count)) == 0 else { return nil }
    // Open until this process ends.
    for core in chosen { _ = own("core-\(core[0])") }
    return processors
  }

  /// Those who choose at the same time take turns, so that each gets neighbours.
  private static func waitForTurn() -> Int32? {
    for _ in 0..<2000 {
      if let turn = own("turn") { return turn }
      usleep(5000)
    }
    return nil
  }

  /// The socket that holds `name`; nil where another process does.
  private static func own(_ name: String) -> Int32? {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = [0] + Array("dmsnet-\(name)".utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let size = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let isOwn = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, size) == 0 }
    }
    if isOwn { return descriptor }
    close(descriptor)
    return nil
  }
}
