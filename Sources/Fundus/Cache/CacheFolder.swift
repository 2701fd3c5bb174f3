import Foundation

/// The place where a cache is being made: locked against others who would make the same one, and written under another name until it
/// is whole.
struct CacheFolder {
  private let location: CacheLocation
  private let lock: Int32
  /// Where files are written.
  let temporary: String

  private static let suffix = ".part"

  /// Waits until nobody else makes the cache at `location`; `waits` is called before that takes long.
  init(_ location: CacheLocation, waits: () -> Void) throws {
    self.location = location
    do {
      try FileManager.default.createDirectory(atPath: location.root, withIntermediateDirectories: true)
    } catch {
      throw Failure(.output, "\(location.root): cannot be made or written to", hint: Self.hint)
    }
    let path = "\(location.root)/.\(location.name).lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else {
      let failure = Failure.system("write", location.root, kind: .output)
      throw Failure(.output, failure.message, hint: Self.hint)
    }
    var isLocked = flock(descriptor, LOCK_EX | LOCK_NB) == 0
    if !isLocked, errno == EWOULDBLOCK {
      waits()
      repeat { isLocked = flock(descriptor, LOCK_EX) == 0 } while !isLocked && errno == EINTR
    }
    // Where the file system knows no locks, two may do the same work; names keep them apart.
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, host.count - 1)
    let machine = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    temporary = "\(location.root)/.\(location.name).\(machine)-\(getpid())\(Self.suffix)"
    lock = descriptor
    do {
      if isLocked { sweep() }
      try? FileManager.default.removeItem(atPath: temporary)
      guard mkdir(temporary, 0o755) == 0 else { throw Failure.system("create", temporary, kind: .output) }
    } catch {
      _ = Foundation.close(descriptor)
      throw error
    }
  }

  private static let hint = "name another place with --cache DIR, or --cache none"

  /// Removes what killed processes left behind.
  private func sweep() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: location.root)) ?? []
    where name.hasPrefix(".\(location.name).") && name.hasSuffix(Self.suffix) {
      try? FileManager.default.removeItem(atPath: "\(location.root)/\(name)")
    }
  }

  /// Gives the files their name, in the place of an older cache if there is one.
  func publish() throws {
    try AtomicFile.syncFolder(temporary)
    let old = temporary + ".old" + Self.suffix
    let hadOld = rename(location.folder, old) == 0
    guard rename(temporary, location.folder) == 0 else { throw Failure.system("write", location.folder) }
    try AtomicFile.syncFolder(location.root)
    if hadOld { try? FileManager.default.removeItem(atPath: old) }
  }

  /// Removes what was not published, and lets others in.
  func close() {
    try? FileManager.default.removeItem(atPath: temporary)
    _ = Foundation.close(lock)
  }
}
