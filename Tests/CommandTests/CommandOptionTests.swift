import Foundation
import Testing
import Training

/// Every option that the help of a command names, tried: of all commands but `train`, whose options have tests of their own.
@Suite(.serialized)
struct CommandOptionTests {
  /// By command and option.
  private static let trials: [String: [String: Trial]] = [
    "evaluate": EvaluateTrials.all, "predict": PredictTrials.all, "synthesize": SynthesizeTrials.all,
    "graph": GraphTrials.all, "prepare": PictureTrials.prepare, "check": CheckTrials.all, "doctor": DoctorTrials.all,
    "status": StatusTrials.all,
    "benchmark step": BenchmarkTrials.step,
    "benchmark inference": BenchmarkTrials.inference, "benchmark kernels": BenchmarkTrials.kernels,
    "benchmark allreduce": BenchmarkTrials.allReduce, "benchmark loader": BenchmarkTrials.loader,
    "benchmark scaling": ScalingTrials.all,
  ]

  /// Commands that have no commands below them.
  private func commands(_ above: [String] = []) throws -> [String] {
    let help = try Command.run(above + ["--help"]).output
    guard let list = help.range(of: "SUBCOMMANDS:\n") else { return [above.joined(separator: " ")] }
    let names = help[list.upperBound...].split(separator: "\n").compactMap { line in
      line.prefixMatch(of: /\ \ ([a-z][a-z-]*)(?:\ |$)/).map { String($0.output.1) }
    }
    try #require(names.count > 1)
    return try names.flatMap { try commands(above + [$0]) }
  }

  @Test func everyCommandAndOptionHasATrial() throws {
    #expect(try Set(commands()) == Set(Self.trials.keys).union(["train"]))
    for (command, trials) in Self.trials {
      let options = try optionsInHelp(command.split(separator: " ").map(String.init))
      #expect(options == Set(trials.keys), "\(command)")
    }
  }

  @Test(arguments: trials.flatMap { command in command.value.keys.map { "\(command.key) --\($0)" } }.sorted())
  func anOptionDoesWhatItSays(_ name: String) throws {
    let parts = name.components(separatedBy: " --")
    let table = ["evaluate --sheet", "predict --sheet", "prepare --sheet"].contains(name) ? "xlsx" : "csv"
    let trial = try #require(Self.trials[parts[0]]?[parts[1]])
    try trial(Bench(format: table))
  }
}
