import Foundation
import Testing

/// Trials of the options of `evaluate`.
enum EvaluateTrials {
  static let all = SourceTrials.all { bench, options in
    let run = try SourceTrials.run(bench)
    let done = try Command.run(["evaluate", "--checkpoint", run.path, "--data", bench.data, "--json"] + options)
    return done.code == 0 ? try done.object["patients"] as? Int : nil
  }
  .merging(own) { $1 }

  /// What `evaluate` of a checkpoint says with `options`.
  private static func measures(_ bench: Bench, _ checkpoint: String, _ options: [String] = []) throws -> [String: Any] {
    try Command.good(["evaluate", "--checkpoint", checkpoint, "--data", bench.data, "--json"] + options).object
  }

  /// The probabilities of all patients and labels by the checkpoints at `paths`, as `predictions.csv` holds them.
  private static func probabilities(_ bench: Bench, _ paths: [String], _ options: [String] = []) throws -> [Double] {
    let output = bench.place.path + "/answers"
    _ = try Command.good(
      ["evaluate", "--data", bench.data, "--output", output] + paths.flatMap { ["--checkpoint", $0] } + options)
    return bench.place.text("answers/predictions.csv").split(separator: "\n").dropFirst().flatMap { line in
      line.split(separator: ",").dropFirst().enumerated().filter { $0.offset % 2 == 1 }.compactMap {
        Double($0.element)
      }
    }
  }

  /// Whether `options` leave every figure as it is.
  private static func changesNothing(_ bench: Bench, _ options: [String]) throws {
    let run = try bench.trained([])
    let (plain, other) = (try measures(bench, run.path), try measures(bench, run.path, options))
    #expect(NSDictionary(dictionary: plain) == NSDictionary(dictionary: other) && plain.count > 20)
  }

  private static let own: [String: Trial] = [
    "checkpoint": { bench in
      let run = try bench.trained(["--checkpoint-every", "1", "--validation", "0.3"])
      let steps = try ["", "/checkpoints/last", "/checkpoints/step-00000001"].map {
        try measures(bench, run.path + $0)["step"] as? Int
      }
      #expect(steps == [2, 2, 1])
      // Answers of several are averaged, whatever their pictures' size; patients on whom one of them trained do not validate.
      let other = try bench.trained(["--seed", "6", "--validation", "0.5", "--size", "96"])
      let answers = try [[run.path], [other.path], [run.path, other.path], [run.path, run.path]].map { paths in
        try probabilities(bench, paths, ["--patients", "all"])
      }
      #expect(answers[3] == answers[0] && answers[0] != answers[1] && answers[0].count == 80)
      #expect(zip(answers[2], zip(answers[0], answers[1])).allSatisfy { abs($0 - ($1.0 + $1.1) / 2) < 1e-7 })
      let sides = [run, other].map { run in
        Set(bench.place.text("\(run.name)/split.csv").split(separator: "\n").filter { $0.hasSuffix("validation") })
      }
      let both = try Command.good(
        ["evaluate", "--data", bench.data, "--json", "--checkpoint", run.path, "--checkpoint", other.path])
      #expect(
        try both.object["patients"] as? Int == sides[0].intersection(sides[1]).count
          && !sides[0].isDisjoint(with: sides[1]))
    },
    "tta": { bench in
      let run = try bench.trained([])
      let answers = try [[], ["none"], ["flip"], ["flips"]].map {
        try probabilities(bench, [run.path], $0.isEmpty ? [] : ["--tta"] + $0)
      }
      #expect(Set(answers).count == 3 && answers[0] == answers[1])
    },
    "data": { bench in
      let run = try bench.trained([])
      let data = try bench.place.data(patients: 7, name: "other")
      let found = try Command.good(["evaluate", "--checkpoint", run.path, "--data", data, "--json"]).object
      #expect(found["patients"] as? Int == 7)
      #expect(try Command.run(["evaluate", "--checkpoint", run.path, "--data", bench.place.path + "/none"]).code == 66)
    },
    "patients": { bench in
      let run = try bench.trained(["--validation", "0.3"])
      let found = try [[], ["validation"], ["train"], ["all"]].map { which in
        try measures(bench, run.path, which.isEmpty ? [] : ["--patients"] + which)["patients"] as? Int
      }
      #expect(found == [3, 3, 7, 10])
      // Everyone is in one group by sex and in one third by age.
      let groups = try #require(
        measures(bench, run.path, ["--patients", "all"])["subgroups"] as? [String: [String: [String: Any]]])
      #expect(Set(groups.keys) == ["age", "sex"] && Set(groups["sex"]?.keys.map { $0 } ?? []) == ["Female", "Male"])
      #expect(groups["age"]?.count == 3)
      for group in groups.values {
        #expect(group.values.reduce(0) { $0 + ($1["patients"] as? Int ?? 0) } == 10)
        #expect(group.values.allSatisfy { $0["accuracy"] is Double && $0["intervals"] is [String: Any] })
      }
    },
    "thresholds": { bench in
      let run = try bench.trained(["--validation", "0.5"])
      let own = try measures(bench, run.path, ["--thresholds", "tuned"])
      let tuned = try #require(own["tuned"] as? [String: Any])
      let file = "\(run.name)/checkpoints/last/thresholds.json"
      let written = try JSONSerialization.jsonObject(with: #require(bench.place.bytes(file))) as? NSDictionary
      #expect(tuned["thresholds"] as? NSDictionary == written && written?.count == 8)
      // Of the same patients, no label's kappa is lower than above one half; what is at the top is above one half.
      for (label, values) in try #require(own["labels"] as? [String: [String: Any]]) {
        let other = (tuned["labels"] as? [String: [String: Any]])?[label]
        #expect((values["kappa"] as? Double ?? 0) <= other?["kappa"] as? Double ?? 0)
      }
      var plain = try measures(bench, run.path)
      #expect(plain["tuned"] == nil)
      plain["tuned"] = tuned
      #expect(NSDictionary(dictionary: plain) == NSDictionary(dictionary: own))
      let without = try bench.trained([])
      let refused = try Command.run(
        ["evaluate", "--checkpoint", without.path, "--data", bench.data, "--thresholds", "tuned"])
      #expect(refused.code == 66 && refused.errorLines.first?.contains("thresholds.json") == true)
    },
    "swap-test": { bench in
      let run = try bench.trained(["--learning-rate", "0.01"])
      let found = try measures(bench, run.path, ["--swap-test"])
      let swap = try #require(found["swap"] as? [String: Double])
      #expect(Set(swap.keys) == ["changed_labels", "changed_patients", "mean_distance"])
      #expect(swap.values.allSatisfy { (0...1).contains($0) })
      #expect((swap["changed_labels"] ?? 1) <= swap["changed_patients"] ?? 0)
      #expect(try measures(bench, run.path)["swap"] == nil)
    },
    "output": { bench in
      let run = try bench.trained([])
      let printed = try measures(bench, run.path, ["--output", bench.place.path + "/found"])
      let written = try JSONSerialization.jsonObject(with: #require(bench.place.bytes("found/metrics.json")))
      #expect(NSDictionary(dictionary: printed) == written as? NSDictionary)
      #expect(bench.place.text("found/predictions.csv").split(separator: "\n").count == 11)
    },
    "cache": { bench in
      try changesNothing(bench, ["--cache", "none"])
      try changesNothing(bench, ["--cache", bench.place.path + "/caches"])
      let caches = try FileManager.default.contentsOfDirectory(atPath: bench.place.path + "/caches")
      #expect(caches.contains { $0.hasPrefix("64-") })
    },
    "threads": { try changesNothing($0, ["--threads", "2"]) },
    "workers": { try changesNothing($0, ["--workers", "3"]) },
    "json": { bench in
      let run = try bench.trained([])
      #expect(try measures(bench, run.path)["kappa"] is Double)
      #expect(try Command.good(["evaluate", "--checkpoint", run.path, "--data", bench.data]).output.isEmpty)
    },
  ]
}
