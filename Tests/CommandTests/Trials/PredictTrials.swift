import Foundation
import Testing

/// Trials of the options of `predict`.
enum PredictTrials {
  static let all = SourceTrials.all { bench, options in
    let run = try SourceTrials.run(bench)
    let done = try Command.run(["predict", "--checkpoint", run.path, "--data", bench.data, "--json"] + options)
    return done.code == 0 ? (try JSONSerialization.jsonObject(with: Data(done.output.utf8)) as? [Any])?.count : nil
  }
  .merging(own) { $1 }

  /// The lines of an answer.
  private static func answer(_ checkpoint: String, _ options: [String]) throws -> [String] {
    try Command.good(["predict", "--checkpoint", checkpoint] + options).output.split(separator: "\n").map(String.init)
  }

  /// The probabilities of an answer about one pair.
  private static func values(_ lines: [String]) -> [Double] {
    lines.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
  }

  private static func pair(_ bench: Bench, _ patient: Int) -> [String] {
    ["left", "right"].map { "\(bench.data)/images/\(patient)_\($0).jpg" }
  }

  /// Whether `options` leave every digit as it is.
  private static func changesNothing(_ bench: Bench, _ options: [String]) throws {
    let run = try bench.trained([])
    let (plain, other) = (
      try answer(run.path, ["--data", bench.data]), try answer(run.path, ["--data", bench.data] + options)
    )
    #expect(plain == other && plain.count == 90)
  }

  private static let own: [String: Trial] = [
    "checkpoint": { bench in
      let run = try bench.trained(["--checkpoint-every", "1", "--learning-rate", "0.01"])
      let last = try answer(run.path, pair(bench, 1))
      let first = try answer(run.path + "/checkpoints/step-00000001", pair(bench, 1))
      #expect(last != first && last.count == 8 && first.count == 8)
      let missing = ["predict", "--checkpoint", bench.place.path + "/none"] + pair(bench, 1)
      #expect(try Command.run(missing).code == 66)
      let twice = try answer(run.path, ["--checkpoint", run.path + "/checkpoints/step-00000001"] + pair(bench, 1))
      let means = zip(values(first), values(last)).map { ($0 + $1) / 2 }
      #expect(zip(values(twice), means).allSatisfy { abs($0 - $1) < 1e-7 } && means.count == 8)
    },
    "tta": { bench in
      let run = try bench.trained([])
      let answers = try [[], ["none"], ["flip"], ["flips"]].map {
        try answer(run.path, pair(bench, 1) + ($0.isEmpty ? [] : ["--tta"] + $0))
      }
      #expect(Set(answers).count == 3 && answers[0] == answers[1])
    },
    "thresholds": { bench in
      let run = try bench.trained(["--validation", "0.5"])
      let file = bench.place.bytes("\(run.name)/checkpoints/last/thresholds.json")
      let tuned = try JSONDecoder().decode([String: Double].self, from: #require(file))
      for (choice, threshold) in [("0.5", { (_: String) in 0.5 }), ("tuned", { tuned[$0] ?? .nan })] {
        let lines = try answer(run.path, pair(bench, 1) + ["--thresholds", choice]).map { $0.split(separator: " ") }
        #expect(lines.count == 8)
        for line in lines {
          #expect(line.count == 3 && line[2] == ((Double(line[1]) ?? 0) > threshold(String(line[0])) ? "1" : "0"))
        }
      }
      let object = try Command.good(
        ["predict", "--checkpoint", run.path, "--json", "--thresholds", "tuned"] + pair(bench, 1)
      ).object
      #expect((object["decisions"] as? [String: Int])?.count == 8)
      let submission = ["--data", bench.data, "--submission", bench.place.path + "/answers.csv"]
      #expect(try Command.run(["predict", "--checkpoint", run.path, "--thresholds", "0.5"] + submission).code == 64)
    },
    "list": { bench in
      let file = bench.place.path + "/list.csv"
      let rows = [["ID", "left", "right"], ["b"] + pair(bench, 1), ["a"] + pair(bench, 2)]
      try rows.map { $0.joined(separator: ",") }.joined(separator: "\n")
        .write(toFile: file, atomically: true, encoding: .utf8)
      let run = try bench.trained([])
      let lines = try answer(run.path, ["--list", file])
      #expect(lines.count == 18 && lines.contains("a"))
      let place = try #require(lines.firstIndex(of: "b"))
      #expect(Array(lines[place + 1..<place + 9]) == (try answer(run.path, pair(bench, 1))))
    },
    "data": { bench in
      let lines = try answer(bench.trained([]).path, ["--data", bench.data])
      #expect(lines.count == 90)
    },
    "submission": { bench in
      let file = ["--data", bench.data, "--submission", bench.place.path + "/answers.csv"]
      let lines = try answer(bench.trained([]).path, file)
      #expect(lines.isEmpty)
      let rows = bench.place.text("answers.csv").split(separator: "\n")
      #expect(rows.count == 11 && rows[0] == "ID,N,D,G,C,A,H,M,O")
      #expect(rows.dropFirst().allSatisfy { $0.split(separator: ",").compactMap { Double($0) }.count == 9 })
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
      let found = try Command.good(["predict", "--checkpoint", run.path, "--json"] + pair(bench, 1)).object
      let lines = try answer(run.path, pair(bench, 1)).map { $0.split(separator: " ") }
      let expected = Dictionary(uniqueKeysWithValues: lines.map { (String($0[0]), Double($0[1]) ?? .nan) })
      #expect(found["probabilities"] as? [String: Double] == expected && expected.count == 8)
    },
  ]
}
