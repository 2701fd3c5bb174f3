import ArgumentParser
import Foundation
import Training

/// How a run stands, for scripts.
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "How a run stands, in one word and an exit code.",
    discussion: """
      finished (0): all epochs are done.
      resumable (75): it goes on with --resume.
      failed (1): it ended by an error that another start would meet again.
      running (73): a process works on it.
      Where there is no run: 66.
      """)

  @Option(help: "The run's folder.") var output: String
  @Flag(help: "Print JSON: status, step of the newest checkpoint, error.") var json = false

  func run() throws {
    let standing = try RunStanding(of: output)
    if json {
      let object: [String: Any?] = [
        "status": standing.word.rawValue, "step": standing.step, "error": standing.reason,
      ]
      try StandardOutput.print(String(decoding: Training.json(object.mapValues { $0 ?? NSNull() }), as: UTF8.self))
    } else {
      try StandardOutput.print(standing.word.rawValue)
    }
    throw ExitCode(standing.word.code)
  }
}

extension RunStanding.Word {
  /// The exit code that says the same.
  fileprivate var code: Int32 {
    switch self {
    case .finished: 0
    case .resumable: Failure.Kind.stopped.rawValue
    case .failed: Failure.Kind.run.rawValue
    case .running: Failure.Kind.output.rawValue
    }
  }
}
