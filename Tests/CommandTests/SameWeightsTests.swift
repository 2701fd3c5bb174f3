import Foundation
import Testing

/// A run's weights depend on its options and its data alone: not on how many ranks and threads computed them, not on how gradients
/// travelled, and not on where and on what the run stopped and went on.
@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct SameWeightsTests {
  /// Two epochs of 19 pairs in steps of 8: the last step of each is short, and so is its last micro-batch.
  private let shape = ["--epochs", "2", "--ema", "0.9", "--batch", "8", "--dropout", "0.2"]

  private func train(
    _ place: Place, _ run: String, _ options: [String], ranks: Int, environment: [String: String] = [:]
  ) throws {
    let done = try Command.run(
      ["train", "--output", "\(place.path)/\(run)"] + tiny + shape + options, ranks: ranks, environment: environment)
    #expect(done.code == 0, "\(run): \(done.errors)")
  }

  /// Everything that a run leaves which does not tell times.
  private func left(_ place: Place, _ run: String) -> [Data?] {
    ["model", "ema", "optimizer"].map { place.bytes("\(run)/checkpoints/last/\($0).safetensors") }
      + ["metrics.json", "predictions.csv"].map { place.bytes("\(run)/\($0)") }
  }

  @Test(arguments: [
    ["--micro-batch", "2"], ["--micro-batch", "3", "--optimizer", "sgd", "--clip", "0"],
    ["--micro-batch", "5", "--clip", "0.1"], ["--micro-batch", "1", "--clip", "0", "--on-nonfinite", "skip"],
    ["--micro-batch", "2", "--layer-decay", "0.7", "--freeze", "trunk.layer1", "osim", "--unfreeze-epoch", "2"],
    ["--micro-batch", "3", "--layer-decay", "0.7", "--freeze", "trunk.*.bn*", "--clip", "0", "--optimizer", "sgd"],
  ])
  func ranksAndThreadsDoNotMatter(_ options: [String]) throws {
    let place = try Place()
    let data = ["--data", try place.data()]
    try train(place, "one", data + options, ranks: 1)
    let expected = left(place, "one")
    #expect(expected.allSatisfy { $0 != nil })
    for ranks in isLong ? [1, 2, 3, 4, 5, 6] : [2, 3, 5] {
      for (number, way) in [
        ["--threads", "2"], ["--shard-optimizer"], ["--bucket", "1"], ["--shard-optimizer", "--bucket", "1"],
      ].enumerated() where isLong || number % 3 == ranks % 3 {
        let run = "\(ranks)-\(number)"
        try train(place, run, data + options + way, ranks: ranks)
        #expect(left(place, run) == expected, "\(ranks) ranks, \(options + way)")
      }
    }
  }

  @Test func theNetworkDoesNotMatter() throws {
    let place = try Place()
    let data = ["--data", try place.data()]
    try train(place, "memory", data, ranks: 3)
    try train(place, "network", data, ranks: 3, environment: ["OMPI_MCA_btl": "tcp,self"])
    #expect(left(place, "network") == left(place, "memory"))
  }

  /// Killed, stopped and resumed on other numbers of ranks, at steps that follow from the seed.
  @Test(arguments: UInt64(0)..<(isLong ? 20 : 2))
  func aRunHopsFromRanksToRanks(_ seed: UInt64) throws {
    let place = try Place()
    let hop = Int(seed)
    let data =
      ["--data", try place.data(), "--epochs", "4", "--checkpoint-every", "\(1 + hop % 3)"]
      + ["--freeze", "trunk.layer2", "--unfreeze-epoch", "3", "--layer-decay", "0.8", "--monitor", "auc"]
    try train(place, "whole", data, ranks: 1)
    var ranks = 1 + hop % 4
    for (number, signal) in [(2 + hop % 2, SIGKILL), (6 + hop % 3, SIGUSR1)] {
      let isResumed = place.exists("hopping/config.yaml")
      let arguments = ["train", "--output", "\(place.path)/hopping"] + tiny + shape + data
      let process = try Command.start(arguments + (isResumed ? ["--resume"] : []), ranks: ranks)
      while place.steps("hopping") < number && process.isRunning { usleep(500) }
      if signal == SIGKILL {
        Command.killAll(below: place.path)
      } else {
        kill(process.processIdentifier, signal)
      }
      process.waitUntilExit()
      ranks = 1 + (ranks + hop + 1) % 4
    }
    let rest = try Command.run(
      ["train", "--output", "\(place.path)/hopping", "--resume"], ranks: ranks)
    #expect(rest.code == 0, "\(rest.errors)")
    #expect(left(place, "hopping") == left(place, "whole"), "seed \(seed)")
  }
}
