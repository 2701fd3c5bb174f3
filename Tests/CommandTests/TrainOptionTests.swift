import Foundation
import Testing
import Training

/// Every option that `train --help` names, tried through the command line: what it does is seen in what the run leaves.
@Suite(.serialized)
struct TrainOptionTests {
  private static let trials = data.merging(network) { $1 }.merging(course) { $1 }.merging(optimization) { $1 }
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

  private static let course: [String: Trial] = [
    "batch": { bench in
      let steps = try bench.steps(["--batch", "6"])
      #expect(steps == 2)
    },
    "micro-batch": { bench in
      // Batch norm's statistics are a micro-batch's.
      let (whole, halves) = (try bench.trained([]), try bench.trained(["--micro-batch", "2"]))
      #expect(whole.steps.count == 3 && halves.steps.count == 3)
      #expect(whole.values("loss")[0] != halves.values("loss")[0])
      let all = try bench.trained(["--micro-batch", "4"])
      #expect(all.weights == whole.weights, "a step of 4 pairs is one micro-batch of 4 or of 8")
    },
    "sync-norm": { bench in
      // Statistics of all pairs of a step, whatever the micro-batch: those of one micro-batch that holds them all, but for rounding.
      let whole = try bench.trained(["--micro-batch", "4"]).values("loss")[0]
      let synchronised = try bench.trained(["--micro-batch", "2", "--sync-norm"]).values("loss")[0]
      let without = try bench.trained(["--micro-batch", "2"]).values("loss")[0]
      #expect(abs(synchronised / whole - 1) < 1e-5 && abs(without / whole - 1) > 1e-3)
    },
    "epochs": { bench in
      let steps = try bench.steps(["--epochs", "3"])
      #expect(steps == 9)
    },
    "seed": { try $0.changes(["--seed", "6"]) },
    "threads": { try $0.keeps(["--threads", "2"]) },
    "workers": { try $0.keeps(["--workers", "3"]) },
    "recompute": { bench in
      let blocks = ["--blocks", "3", "2", "1", "1"]
      let plain = try bench.trained(blocks, from: Bench.open)
      let other = try bench.trained(blocks + ["--recompute"], from: Bench.open)
      // Forward values are the same; the order of some sums of gradients may differ.
      #expect(plain.values("loss")[0] == other.values("loss")[0])
      #expect(abs(plain.values("gradient_norm")[0] - other.values("gradient_norm")[0]) < 1e-4)
      #expect(bench.place.text("\(other.name)/config.yaml").contains("recompute: true\n"))
    },
    "drop-last": { bench in
      let steps = try bench.steps(["--drop-last"])
      #expect(steps == 2)
    },
    "dump-batches": { bench in
      let run = try bench.keeps(["--dump-batches", "2"], beside: ["--micro-batch", "3"])
      let names = try FileManager.default.contentsOfDirectory(atPath: run.path + "/batches").sorted()
      #expect(
        names == ["start"].map { $0 + ".safetensors" }
          + [(1, 0), (1, 1), (2, 0), (2, 1)].map { "step-\($0.0)-part-\($0.1).safetensors" })
      let part = try Safetensors(path: run.path + "/batches/step-1-part-1.safetensors")
      #expect(try part.tensor("images").shape == [2, 64, 64, 3])
      #expect(try part.tensor("labels").shape == [1, 8] && part.tensor("eye_labels").shape == [2, 1, 8])
    },
    "on-nonfinite": { bench in
      let wild = ["--optimizer", "sgd", "--learning-rate", "1e30", "--clip", "0"]
      #expect(try bench.train(wild).code == 1)
      #expect(try bench.train(wild + ["--on-nonfinite", "stop"]).code == 1)
      let steps = try bench.trained(wild + ["--on-nonfinite", "skip"]).steps
      #expect(steps.map { $0["skipped"] as? Bool ?? false } == [false, true, true])
    },
  ]

  private static let optimization: [String: Trial] = [
    "optimizer": { bench in
      let names = try bench.changes(["--optimizer", "sgd"]).file("optimizer").names
      #expect(names.allSatisfy { $0.hasPrefix("momentum/") })
    },
    "learning-rate": { bench in
      let rates = try bench.trained(["--learning-rate", "0.25", "--schedule", "constant"]).values("learning_rate")
      #expect(rates == [0.25, 0.25, 0.25])
    },
    "momentum": { bench in
      try bench.changes(["--momentum", "0.5"], beside: ["--optimizer", "sgd"])
      try bench.keeps(["--momentum", "0.5"])
    },
    "weight-decay": { bench in
      for optimizer in ["sgd", "adamw"] {
        try bench.changes(["--weight-decay", "0"], beside: ["--optimizer", optimizer])
      }
    },
    "decay-all": { bench in
      for optimizer in ["sgd", "adamw"] { try bench.changes(["--decay-all"], beside: ["--optimizer", optimizer]) }
      try bench.keeps(["--decay-all"], beside: ["--weight-decay", "0"])
    },
    "schedule": { bench in
      let rates = try ["constant", "cosine"].map { try bench.trained(["--schedule", $0]).values("learning_rate") }
      #expect(Set(rates[0]).count == 1 && Set(rates[1]).count == 3)
    },
    "warmup": { bench in
      let rates = try bench.trained(["--warmup", "2", "--learning-rate", "0.5", "--schedule", "constant"])
        .values("learning_rate")
      #expect(rates == [0.25, 0.5, 0.5])
    },
    "clip": { bench in
      try bench.changes(["--clip", "0.01"], beside: ["--optimizer", "sgd"])
      try bench.keeps(["--clip", "0"], beside: ["--clip", "1e20"])
    },
    "smoothing": { bench in
      let (plain, smooth) = (try bench.trained([]), try bench.trained(["--smoothing", "0.5"]))
      #expect(plain.values("loss_patient")[0] != smooth.values("loss_patient")[0])
      #expect(plain.values("loss_contrast")[0] == smooth.values("loss_contrast")[0])
    },
    "positive": { bench in
      let (plain, heavy) = (try bench.trained([]), try bench.trained(["--positive"] + Array(repeating: "9", count: 8)))
      #expect(plain.values("loss_patient")[0] < heavy.values("loss_patient")[0])
      // Negatives a positive, in the order of the table's columns.
      let rows = bench.place.text("data/annotations.csv").split(separator: "\n").dropFirst()
      let weights = (0..<8).map { label in
        let positives = rows.count { $0.split(separator: ",").suffix(8).map(String.init)[label] == "1" }
        return positives == 0 || positives == 10 ? 1 : Float(10 - positives) / Float(positives)
      }
      #expect(Set(weights).count > 1)
      let (automatic, given) = (
        try bench.trained(["--positive", "auto"]), try bench.trained(["--positive"] + weights.map { "\($0)" })
      )
      #expect(automatic.weights == given.weights && automatic.weights != plain.weights)
      #expect(bench.place.text("\(automatic.name)/config.yaml").contains("positive:\n- auto\n"))
    },
    "loss": { bench in
      let runs = try ["bce", "focal", "asymmetric"].map { try bench.trained(["--loss", $0]) }
      #expect(Set(runs.map { $0.values("loss_patient")[0] }).count == 3)
      // With exponents and shift of 0 all are the cross entropy, but for rounding.
      let same = try bench.trained(["--loss", "asymmetric", "--gamma", "0", "--probability-shift", "0"])
      for (a, b) in zip(same.values("loss_patient"), runs[0].values("loss_patient")) { #expect(abs(a - b) < 1e-4) }
    },
    "gamma": { bench in
      try bench.changes(["--gamma", "1"], beside: ["--loss", "focal"])
      try bench.keeps(["--gamma", "2"], beside: ["--loss", "focal"])
      try bench.changes(["--gamma", "1", "4"], beside: ["--loss", "asymmetric"])
      try bench.keeps(["--gamma", "1"])
      #expect(try bench.train(["--gamma", "1", "2", "3"]).code == 64)
    },
    "probability-shift": { bench in
      try bench.changes(["--probability-shift", "0.2"], beside: ["--loss", "asymmetric"])
      try bench.keeps(["--probability-shift", "0.2"], beside: ["--loss", "focal"])
    },
    "sampling": { bench in
      let run = try bench.changes(["--sampling", "balanced"])
      #expect(run.steps.count == 3)
      try bench.keeps(["--sampling", "shuffle"])
    },
    "layer-decay": { bench in
      try bench.changes(["--layer-decay", "0.5"])
      try bench.keeps(["--layer-decay", "1"])
      #expect(try bench.train(["--layer-decay", "0"]).code == 64)
    },
    "freeze": { bench in
      let run = try bench.trained(["--freeze", "trunk.layer1", "trunk.*.bn?.weight", "--checkpoint-every", "1"])
      for (name, isFrozen) in [
        ("trunk.layer1.0.conv1.weight", true), ("trunk.layer2.0.bn2.weight", true), ("trunk.bn1.weight", false),
        ("trunk.layer2.0.conv1.weight", false), ("trunk.layer1.0.bn1.running_mean", false),
      ] {
        let tensors = try run.checkpoints.map { try run.file("model", checkpoint: $0).tensor(name) }
        #expect((tensors.first == tensors.last) == isFrozen, "\(name)")
      }
      for patterns in [["trunk.layer5"], ["trunk", "nothing"], ["*"]] {
        let refused = try bench.train(["--freeze"] + patterns)
        #expect(refused.code == 64 && refused.done.errorLines.count == 1, "\(refused.done.errors)")
      }
    },
    "unfreeze-epoch": { bench in
      let run = try bench.trained([
        "--freeze", "*", "--unfreeze-epoch", "3", "--epochs", "3", "--checkpoint-every", "1", "--keep", "99",
      ])
      let tensors = try run.checkpoints.map { try run.file("model", checkpoint: $0).tensor("trunk.conv1.weight") }
      #expect(Set(tensors[..<6].map(\.values)).count == 1 && Set(tensors.map(\.values)).count == 4)
      try bench.keeps(["--unfreeze-epoch", "2"])
    },
    "ema-warmup": { bench in
      let averages = try ["0", "9", "1000"].map {
        try bench.trained(["--ema", "0.9", "--ema-warmup", $0]).file("ema").tensor("trunk.conv1.weight")
      }
      #expect(Set(averages.map(\.values)).count == 3)
    },
    "ema": { bench in
      let run = try bench.keeps(["--ema", "0.9"])
      #expect(try run.file("ema").tensor("trunk.conv1.weight") != run.file("model").tensor("trunk.conv1.weight"))
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
