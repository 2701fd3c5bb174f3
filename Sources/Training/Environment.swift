import Foundation

/// What a run ran on, for `environment.json`.
public enum Environment {
  /// The program's version.
  public static let version = "0.3.0"

  /// The processor's own name.
  public static var processor: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") || $0.hasPrefix("CPU part") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }

  /// Version, ranks and their hosts, threads, processor and libraries.
  public static func describe(_ communicator: any Communicator, threads: Int) -> [String: Any] {
    [
      "version": version, "ranks": communicator.size, "hosts": communicator.hosts, "threads": threads,
      "processor": processor, "mpi": communicator.library, "blas": Library.blas,
    ]
  }
}
