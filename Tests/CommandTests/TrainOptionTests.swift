import Foundation
import Testing
import Training

/// Every option that `train --help` names, tried through the command line: what it does is seen in what the run leaves.
@Suite(.serialized)
struct TrainOptionTests {
  private static let trials = data.merging(network) { $1 }.merging(StepTrials.course) { $1 }
    .merging(StepTrials.optimization) { $1 }
    .merging(files) { $1 }.merging(PictureTrials.train) { $1 }.merging(communication) { $1 }

  @Test func everyOptionHasATrial() throws {
    #expect(try optionsInHelp(["train"]) == Set(Self.trials.keys))
  }

  @Test(arguments: trials.keys.sorted())
  func anOptionDoesWhatItSays(_ option: String) throws {
    try Self.trials[option]?(Bench(format: option == "sheet" ? "xlsx" : "csv"))
  }

  private static let data: [String: Trial] = [
    "data": { bench in
      let other = try bench.place.data(patients: 7, name: "other")
      #expect(try bench.steps(["--data", other]) == 2)
    },
    "annotations": { bench in
      let fewer = try SourceTrials.fewer(bench)
      #expect(try bench.steps(["--annotations", fewer]) == 2)
    },
    "sheet": { bench in
      try bench.keeps(["--sheet", "1"])
      let run = try bench.train(["--sheet", "Nothing"])
      #expect(run.code == 65 || run.code == 66 || run.code == 64)
      #expect(run.done.errors.contains("Nothing"), "\(run.done.errors)")
    },
    "images": { bench in
      let plain = try bench.trained([])
      try FileManager.default.copyItem(atPath: bench.data + "/images", toPath: bench.data + "/again")
      #expect(try bench.train([]).code != 0)
      #expect(try bench.trained(["--images", bench.data + "/again"]).weights == plain.weights)
    },
    "strict": { bench in
      try FileManager.default.removeItem(atPath: bench.data + "/images/3_left.jpg")
      #expect(try bench.trained([]).done.errors.contains("9 of 10 patients"))
      #expect(try bench.train(["--strict"]).code == 66)
    },
    "on-bad-image": { bench in
      try Data("no picture".utf8).write(to: URL(fileURLWithPath: bench.data + "/images/3_left.jpg"))
      #expect(try bench.train([]).code == 65)
      #expect(try bench.train(["--on-bad-image", "stop"]).code == 65)
      #expect(try bench.trained(["--on-bad-image", "skip"]).done.errors.contains("9 of 10 patients"))
    },
    "validation": { bench in
      let run = try bench.trained(["--validation", "0.3"])
      #expect(
        bench.place.text("\(run.name)/split.csv").split(separator: "\n").count { $0.hasSuffix(",validation") } == 3)
    },
    "folds": { bench in
      let run = try bench.trained(["--folds", "5"])
      #expect(validating(run).count == 2 && run.steps.count == 2)
    },
    "fold": { bench in
      let all = try (1...3).map { validating(try bench.trained(["--folds", "3", "--fold", "\($0)"])) }
      #expect(all.joined().sorted() == (0..<10).map { "\($0),validation" })
    },
    "cache": { bench in
      let files = FileManager.default
      let (beside, none, elsewhere) = (
        try bench.trained([]), try bench.trained(["--cache", "none"]),
        try bench.trained(["--cache", bench.place.path + "/caches"])
      )
      #expect(beside.weights == none.weights && none.weights == elsewhere.weights)
      #expect(bench.place.exists("data/.dmsnet") && !none.done.errors.contains("pairs come from"))
      let caches = try files.contentsOfDirectory(atPath: bench.place.path + "/caches")
      #expect(caches.contains { $0.hasPrefix("64-") })
    },
    "split": { bench in
      let sides = (0..<10).map { "\($0),\($0 == 4 || $0 == 7 ? "validation" : "train")" }
      let file = bench.place.path + "/sides.csv"
      try (["ID,split"] + sides).joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
      let run = try bench.trained(["--split", file])
      #expect(bench.place.text("\(run.name)/split.csv") == (["ID,split"] + sides).joined(separator: "\n") + "\n")
      #expect(run.steps.count == 2)
    },
  ]

  /// The rows of a run's `split.csv` that validate.
  private static func validating(_ run: Bench.Run) -> [String] {
    run.place.text("\(run.name)/split.csv").split(separator: "\n").map(String.init).filter {
      $0.hasSuffix(",validation")
    }
  }

  /// How gradients travel between ranks. Without a launcher there is one rank, which sends nothing.
  private static let communication: [String: Trial] = [
    "bucket": { bench in
      let run = try bench.keeps(["--bucket", "1"], beside: ["--micro-batch", "2"], ranks: hasLauncher ? 2 : nil)
      #expect(bench.place.text("\(run.name)/config.yaml").contains("bucket: 1\n"))
      #expect(try bench.train(["--bucket", "0"]).code == 64)
    },
    "wire": { bench in
      try bench.keeps(["--wire", "bfloat16"])
      if hasLauncher { try bench.changes(["--wire", "bfloat16"], beside: ["--micro-batch", "2"], ranks: 2) }
    },
    "shard-optimizer": { bench in
      for optimizer in ["sgd", "adamw"] {
        let beside = ["--micro-batch", "2", "--optimizer", optimizer]
        let run = try bench.keeps(["--shard-optimizer"], beside: beside, ranks: hasLauncher ? 2 : nil)
        #expect(bench.place.text("\(run.name)/config.yaml").contains("shard-optimizer: true\n"))
      }
    },
    "stall-timeout": { bench in
      let run = try bench.keeps(
        ["--stall-timeout", "0"], beside: ["--micro-batch", "2"], ranks: hasLauncher ? 2 : nil)
      #expect(bench.place.text("\(run.name)/config.yaml").contains("stall-timeout: 0\n"))
      #expect(try bench.train(["--stall-timeout", "-1"]).code == 64)
    },
    "check-every": { bench in
      try bench.keeps(["--check-every", "1"], beside: ["--micro-batch", "2"], ranks: hasLauncher ? 2 : nil)
      #expect(try bench.train(["--check-every", "-1"]).code == 64)
    },
    "verify-collectives": { bench in
      let run = try bench.keeps(["--verify-collectives"], beside: ["--micro-batch", "2"], ranks: hasLauncher ? 2 : nil)
      #expect(bench.place.text("\(run.name)/config.yaml").contains("verify-collectives: true\n"))
    },
  ]

  private static let network: [String: Trial] = [
    "depth": { bench in
      let base = ["--stem", "8", "--width", "32", "--size", "64", "--epochs", "1", "--validation", "0"]
      let (small, large) = (try bench.tensors([], from: base), try bench.tensors(["--depth", "34"], from: base))
      let name = "trunk.layer1.2.conv1.weight"
      #expect(!small.contains(name) && large.contains(name))
    },
    "block": { bench in
      let name = "trunk.layer1.0.conv3.weight"
      let (plain, other) = (try bench.tensors([]), try bench.tensors(["--block", "bottleneck"]))
      #expect(!plain.contains(name) && other.contains(name))
    },
    "blocks": { bench in
      let names = try bench.tensors(["--blocks", "1", "1", "3", "1"], from: Bench.open)
      #expect(names.contains("trunk.layer3.2.conv1.weight") && !names.contains("trunk.layer2.1.conv1.weight"))
    },
    "stem": { bench in
      let shape = try bench.trained(["--stem", "24"]).shape("trunk.conv1.weight")
      #expect(shape == [24, 3, 7, 7])
    },
    "width": { bench in
      let (plain, wide) = (try bench.trained([]), try bench.trained(["--width", "64"]))
      let name = try #require(plain.file("model").names.first { $0.hasPrefix("osim.") && $0.hasSuffix("weight") })
      #expect(try plain.shape(name) != wide.shape(name))
    },
    "embedding": { bench in
      let run = try bench.trained(["--embedding", "24"])
      let shapes = try run.file("model").names.map { try run.shape($0) }
      #expect(shapes.contains { $0.first == 24 })
    },
    "heads": { try $0.changes(["--heads", "2"]) },
    "bins": { try $0.changes(["--bins", "1", "2"]) },
    "dropout": { try $0.changes(["--dropout", "0"]) },
    "without": { bench in
      let names = try bench.tensors(["--without", "osim", "ccam"])
      #expect(!names.contains { $0.contains("ccam") } && names.contains { $0.contains("ciam") })
      // A loss that is left out is told and not trained on.
      let run = try bench.trained(["--without", "eyes-loss", "--checkpoint-every", "1"])
      let eyes = try run.checkpoints.map { try run.file("model", checkpoint: $0).tensor("ciam.eye") }
      #expect(Set(eyes.map(\.values)).count == 1 && run.values("loss_eyes").allSatisfy { $0 > 0 })
      let parts = zip(run.values("loss"), zip(run.values("loss_patient"), run.values("loss_contrast")))
      #expect(parts.allSatisfy { abs($0 - $1.0 - 0.1 * $1.1) < 1e-6 })
      let neither = try bench.trained(["--without", "eyes-loss", "contrast-loss"])
      #expect(neither.values("loss") == neither.values("loss_patient"))
    },
    "size": { bench in
      let run = try bench.changes(["--size", "64x96"])
      #expect(bench.place.text("\(run.name)/config.yaml").contains("size: 64x96\n"))
    },
    "pretrained": { bench in
      let weights = bench.place.path + "/trunk.safetensors"
      let trunk = try bench.trained(["--seed", "6"]).file("model")
      let prefix = "trunk."
      let items = try trunk.names.filter { $0.hasPrefix(prefix) && $0.hasSuffix("weight") }.map {
        Safetensors.Item(String($0.dropFirst(prefix.count)), try trunk.tensor($0))
      }
      try Safetensors.write(items, to: weights)
      // A step so small that the weights stay.
      let still = ["--pretrained", weights, "--learning-rate", "1e-30"]
      let run = try bench.trained(still)
      #expect(try run.file("model").tensor("trunk.conv1.weight") == trunk.tensor("trunk.conv1.weight"))
      #expect(run.done.errors.contains("start from \(weights): "))
      // A run gives all of its network.
      let whole = try bench.trained(["--pretrained", "\(bench.place.path)/run-1", "--learning-rate", "1e-30"])
      #expect(try whole.file("model").tensor("classifier") == trunk.tensor("classifier"))
      let pickle = bench.place.path + "/trunk.pth"
      try Data([0x50, 0x4B, 3, 4, 0, 0, 0, 0, 0, 0]).write(to: URL(fileURLWithPath: pickle))
      let refused = try bench.train(["--pretrained", pickle])
      #expect(refused.code == 65 && refused.done.errors.contains("hint: convert it: python3 -c"))
    },
  ]

  private static let files: [String: Trial] = [
    "output": { bench in
      let run = try bench.train(["--output", bench.place.path + "/elsewhere"])
      #expect(run.code == 0 && bench.place.exists("elsewhere/metrics.jsonl") && !bench.place.exists(run.name))
    },
    "monitor": { bench in
      for key in ["auc", "exact_match"] {
        let run = try bench.trained(["--monitor", key, "--validation", "0.3", "--epochs", "4"])
        let values = run.evaluations.map { $0[key] as? Double ?? -1 }
        let best = try #require(values.indices.first { values[$0] == values.max() })
        let found = try JSONSerialization.jsonObject(with: #require(bench.place.bytes("\(run.name)/metrics.json")))
        #expect((found as? [String: Any])?["step"] as? Int == run.evaluations[best]["step"] as? Int, "\(values)")
      }
      #expect(try bench.train(["--monitor", "beauty"]).code == 64)
    },
    "patience": { bench in
      let options = ["--patience", "1", "--validation", "0.3", "--epochs", "30", "--learning-rate", "0.001"]
      let run = try bench.trained(options)
      let kappas = run.evaluations.map { $0["kappa"] as? Double ?? -1 }
      // The first evaluation that is not better than all before it is the last.
      let end = kappas.indices.dropFirst().first { kappas[$0] <= kappas[..<$0].max() ?? -1 }
      #expect(end == kappas.count - 1 && kappas.count < 30, "\(kappas)")
      #expect(run.done.errors.contains("no better kappa for 1 epochs"))
      let again = try Command.run(["train", "--output", run.path, "--resume"])
      #expect(
        again.code == 0 && run.evaluations.count == kappas.count && again.errors.contains("without a better kappa"))
      let more = try Command.run(["train", "--output", run.path, "--resume", "--patience", "0", "--epochs", "31"])
      #expect(more.code == 0 && run.evaluations.count == 31, "\(more.errors)")
      #expect(try bench.train(["--patience", "1"]).code == 64)
    },
    "checkpoint-every": { bench in
      let run = try bench.keeps(["--checkpoint-every", "1"])
      #expect(run.checkpoints == (1...3).map { "step-0000000\($0)" })
    },
    "keep": { bench in
      let run = try bench.keeps(["--keep", "1", "--checkpoint-every", "1"])
      #expect(run.checkpoints == ["step-00000003"])
    },
    "resume": { bench in
      let run = try bench.trained([])
      #expect(try bench.train(["--output", run.path]).code == 73)
      let again = try Command.run(["train", "--output", run.path, "--resume", "--epochs", "2"])
      #expect(again.code == 0 && run.steps.count == 6, "\(again.errors)")
    },
    "config": { bench in
      let file = bench.place.path + "/options.yaml"
      try "epochs: 2\nbatch: 5\n".write(toFile: file, atomically: true, encoding: .utf8)
      let base = Bench.base.filter { $0 != "--batch" && $0 != "4" }
      #expect(try bench.steps(["--config", file], from: base) == 2)
    },
  ]
}
