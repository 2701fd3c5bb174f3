import Foundation

/// How a run in a folder stands, for scripts that decide whether to start it again.
public struct RunStanding {
  /// In one word.
  public enum Word: String, Sendable {
    /// All epochs are done.
    case finished
    /// It can go on with `--resume`: it was stopped, killed, or lost a rank.
    case resumable
    /// It ended by an error that another start would meet again.
    case failed
    /// A process works on it.
    case running
  }

  /// The word.
  public let word: Word
  /// The step of the newest whole checkpoint; nil where there is none.
  public let step: Int?
  /// Why it failed, where it did.
  public let reason: String?

  /// Looks at the run in `folder` and changes nothing there.
  public init(of folder: String) throws {
    guard RunDirectory.isRun(folder) else {
      throw Failure(.missing, "\(folder): no run (neither config.yaml nor a checkpoint is there)")
    }
    step = CheckpointStore(folder: "\(folder)/checkpoints").entries().last?.step
    let end = RunEnd.read(in: folder)
    reason = end?.error
    word = RunDirectory.isInUse(folder) ? .running : end == nil ? .resumable : end?.error == nil ? .finished : .failed
  }
}

/// How a run ended, where it ended for good: `end.json` in its folder, gone as soon as the run goes on. A run that was stopped or
/// killed, or whose ranks lost one another, leaves none.
struct RunEnd: Codable {
  /// The program's exit code.
  let code: Int32
  /// The line that said why; nil where all went well.
  let error: String?

  private static let name = "end.json"

  static func read(in folder: String) -> RunEnd? {
    FileManager.default.contents(atPath: "\(folder)/\(name)").flatMap {
      try? JSONDecoder().decode(RunEnd.self, from: $0)
    }
  }

  static func forget(in folder: String) { unlink("\(folder)/\(name)") }

  /// Notes that all is done (`error` nil) or that `error` ended the run, unless another start may well go better.
  static func note(_ error: (any Error)?, in folder: String) {
    let failure = error.map { Failure($0) }
    if let failure, failure.kind == .stopped || failure.isPassing { return }
    let end = RunEnd(code: failure?.kind.rawValue ?? 0, error: failure?.message)
    guard FileManager.default.fileExists(atPath: folder) else { return }
    guard let data = try? JSONEncoder().encode(end) else { return }
    // Where it cannot be written, the run passes for one that was killed.
    try? AtomicFile.write(data + Data("\n".utf8), to: "\(folder)/\(name)")
  }
}
