import Foundation
import Testing
import Training

/// Trials of `train`'s options of steps: which pairs they take, and how weights move.
enum StepTrials {
  /// How a run goes through its pairs.
  static let course: [String: Trial] = [
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

  /// How weights move.
  static let optimization: [String: Trial] = [
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
}
