import CWatch
import Foundation

/// A process as ranks of the same host can know it.
struct ProcessIdentity: Codable, Sendable, Equatable {
  let id: Int32
  /// When it began, by the system's count, so that another process that gets its number is not taken for it.
  let start: String
  /// Where its number counts.
  let namespace: String

  /// This process.
  static var own: ProcessIdentity {
    ProcessIdentity(
      id: getpid(), start: statistics(getpid())?.start ?? "",
      namespace: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "")
  }

  /// The daemon of the launcher that started this process on this host; nil where another parent did.
  static var daemon: Int32? {
    let parent = getppid()
    let name = FileManager.default.contents(atPath: "/proc/\(parent)/comm") ?? Data()
    return ["orted\n", "prted\n", "hydra_pmi_proxy\n"].contains(String(decoding: name, as: UTF8.self)) ? parent : nil
  }

  /// Whether the process is one that this process can see.
  var isVisible: Bool { namespace == Self.own.namespace && !start.isEmpty && Self.statistics(id)?.start == start }

  /// What the system says the process is doing: its letter; nil where the process is gone or cannot be seen.
  var state: Character? { isVisible ? Self.statistics(id)?.state : nil }

  private static func statistics(_ id: Int32) -> (state: Character, start: String)? {
    guard let data = FileManager.default.contents(atPath: "/proc/\(id)/stat") else { return nil }
    // The command's name, which may hold anything, is in parentheses.
    let parts = String(decoding: data, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
    guard parts.count > 19, let state = parts[0].first else { return nil }
    return (state, String(parts[19]))
  }
}

/// Whether this process gets on: its threads compute, or it reads or writes.
struct Vitals {
  /// Nanoseconds of computing from one look to the next that count: a photograph takes more, a library's thread that wakes now and
  /// then less, however long one looks.
  private static let least: UInt64 = 5_000_000

  private var computed: UInt64 = 0
  private var transferred = 0
  private var sequence = 0
  /// Bytes that looking has read.
  private var own = 0
  private(set) var latest = 0.0

  /// Looks, at the time `now` in seconds; to be called by one thread alone, whose own computing does not count.
  mutating func look(_ whereabouts: Whereabouts, at now: Double) {
    let computed = dms_processor_nanoseconds()
    defer { self.computed = computed }
    let transferred = transferredBytes()
    // Waiting in MPI computes too, without an end.
    let place = whereabouts.snapshot
    let computes = place.activity != .waiting && computed &- self.computed >= Self.least
    guard computes || place.sequence != sequence || (place.activity != .waiting && transferred != self.transferred)
    else {
      return
    }
    (latest, self.transferred, sequence) = (now, transferred, place.sequence)
  }

  /// Bytes that this process has read and written by system calls, these aside; 0 where the system does not tell.
  private mutating func transferredBytes() -> Int {
    let descriptor = open("/proc/self/io", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return 0 }
    defer { own += count }
    let counters = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n").prefix(2)
    return counters.reduce(-own) { $0 + (Int($1.split(separator: " ").last ?? "") ?? 0) }
  }
}
