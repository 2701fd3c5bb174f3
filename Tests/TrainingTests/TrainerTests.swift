import Foundation
import Testing
import Training

/// Whole runs on ranks that are threads of this process.
struct TrainerTests {
  private let folder = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString

  /// Trains on `ranks` ranks and returns what the run left.
  private func train(_ run: String, _ options: [String: [String]], ranks: Int, resumes: Bool = false) throws -> [Data?]
  {
    let output = "\(folder)/\(run)"
    let given = [
      "data": ["\(folder)/data"], "output": [output], "depth": ["18"], "stem": ["8"], "width": ["32"],
      "embedding": ["16"], "size": ["64"], "batch": ["7"], "micro-batch": ["2"], "epochs": ["2"], "ema": ["0.9"],
    ].merging(options) { $1 }
    for result in ThreadRanks.run(
      ranks,
      { communicator in
        let progress = Progress(isSpeaking: false)
        let start = try RunStart(given, resumes: resumes, communicator, progress)
        let trainer = try Trainer(start, communicator, progress)
        try trainer.train(in: start.open(communicator, progress))
      })
    {
      try result.get()
    }
    let names = ["checkpoints/last/model", "checkpoints/last/ema", "checkpoints/last/optimizer"]
    return names.map { FileManager.default.contents(atPath: "\(output)/\($0).safetensors") }
      + ["metrics.json", "predictions.csv"].map { FileManager.default.contents(atPath: "\(output)/\($0)") }
  }

  /// Ranks, threads, buckets and shards change nothing that a run leaves; nor does going on from its first half on other ranks.
  @Test(arguments: [
    [:], ["clip": ["0"], "optimizer": ["sgd"], "micro-batch": ["3"]], ["clip": ["0.01"], "dropout": ["0"]],
    ["on-nonfinite": ["skip"], "clip": ["0"], "micro-batch": ["7"]],
  ])
  func ranksChangeNothing(_ options: [String: [String]]) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Synthesis(patients: 19, seed: 5, size: 64, difficulty: 0.5, labelNoise: 0, format: .csv)
      .write(to: "\(folder)/data", threads: 1)
    let expected = try train("one", options, ranks: 1)
    #expect(expected.allSatisfy { $0 != nil })
    for ranks in [2, 3, 5] {
      let ways: [[String: [String]]] = [
        [:], ["shard-optimizer": ["true"]], ["threads": ["2"], "bucket": ["1"]],
      ]
      for (number, way) in ways.enumerated() {
        let name = "\(ranks)-\(number)"
        let found = try train(name, options.merging(way) { $1 }, ranks: ranks)
        #expect(found == expected, "\(ranks) ranks, \(options.merging(way) { $1 })")
      }
    }
    _ = try train("resumed", options.merging(["epochs": ["1"], "schedule": ["constant"]]) { $1 }, ranks: 3)
    let whole = try train("constant", options.merging(["schedule": ["constant"]]) { $1 }, ranks: 1)
    let resumed = try train(
      "resumed",
      ["epochs": ["2"], "shard-optimizer": ["true"]].merging(options) { $1 }.merging(
        ["schedule": ["constant"]]) { $1 }, ranks: 2, resumes: true)
    #expect(resumed == whole)
  }

  /// With norms over the whole step, too, ranks, threads, buckets and shards change no bit, with ranks that have nothing to do and a short
  /// last step; and the first step is that of the step as one micro-batch but for rounding.
  @Test func synchronisedNormsDoNotDependOnRanks() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Epochs of 41 pairs: the last step has 5, in two micro-batches.
    try Synthesis(patients: 51, seed: 1, size: 96, difficulty: 0.5, labelNoise: 0, format: .csv)
      .write(to: "\(folder)/data", threads: 1)
    let options = [
      "batch": ["12"], "epochs": ["3"], "optimizer": ["sgd"], "learning-rate": ["0.001"], "schedule": ["constant"],
      "warmup": ["0"], "clip": ["0"],
    ]
    let whole = try train("whole", options.merging(["micro-batch": ["12"]]) { $1 }, ranks: 1)
    let synchronised = options.merging(["sync-norm": ["true"], "micro-batch": ["3"]]) { $1 }
    let one = try train("1", synchronised, ranks: 1)
    #expect(one != whole)
    let (first, expected) = (try steps("1")[0], try steps("whole")[0])
    #expect(try steps("1").count == 12)
    #expect(abs(first.loss / expected.loss - 1) < 1e-5 && abs(first.norm / expected.norm - 1) < 1e-3, "\(first)")
    for ranks in 2...5 { #expect(try train("\(ranks)", synchronised, ranks: ranks) == one, "\(ranks) ranks") }
    let other = synchronised.merging(["threads": ["2"], "shard-optimizer": ["true"], "bucket": ["1"]]) { $1 }
    #expect(try train("other", other, ranks: 3) == one)
  }

  /// Loss and gradient norm of a run's steps.
  private func steps(_ run: String) throws -> [(loss: Double, norm: Double)] {
    try String(contentsOfFile: "\(folder)/\(run)/metrics.jsonl", encoding: .utf8).split(separator: "\n").compactMap {
      let line = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
      guard let loss = line?["loss"] as? Double, let norm = line?["gradient_norm"] as? Double else { return nil }
      return (loss, norm)
    }
  }

  /// Halving the bytes rounds, but little: the run is another one, and near.
  @Test func bfloat16OnTheWireRounds() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Synthesis(patients: 19, seed: 5, size: 64, difficulty: 0.5, labelNoise: 0, format: .csv)
      .write(to: "\(folder)/data", threads: 1)
    let exact = try train("exact", [:], ranks: 3)
    let rounded = try train("rounded", ["wire": ["bfloat16"]], ranks: 3)
    #expect(try rounded[0] == train("again", ["wire": ["bfloat16"]], ranks: 3)[0] && rounded[0] != exact[0])
    #expect(try train("alone", ["wire": ["bfloat16"]], ranks: 1)[0] == exact[0])
    let (a, b) = try (weights("exact"), weights("rounded"))
    let difference = zip(a, b).map { abs($0 - $1) }.reduce(0, +)
    #expect(difference < 1e-3 * a.map(abs).reduce(0, +))
  }

  private func weights(_ run: String) throws -> [Float] {
    let file = try Safetensors(path: "\(folder)/\(run)/checkpoints/last/model.safetensors")
    return try file.names.filter { $0.hasSuffix("weight") }.flatMap { try file.tensor($0).values }
  }
}
