import Foundation
import Testing

/// Trials of the options of `benchmark scaling`.
enum ScalingTrials {
  private static let shape = [
    "--block", "basic", "--blocks", "1", "1", "1", "1", "--stem", "8", "--width", "32", "--embedding", "16", "--size",
    "64", "--micro-batch", "1", "--steps", "1",
  ]

  static let all: [String: Trial] = [
    "report": { bench in
      _ = try measured(bench, ["--weak", "1"])
      #expect(["json", "csv", "html"].allSatisfy { bench.place.exists("report/scaling.\($0)") })
      #expect(try Command.run(["benchmark", "scaling", "--weak", "1"]).code == 64)
      let none = try Command.run(["benchmark", "scaling", "--report", bench.place.path + "/none"])
      #expect(none.code == 66 && none.errorLines.count == 1, "\(none.errors)")
    },
    "weak": { bench in
      let row = try #require(rows(try measured(bench, ["--weak", "3", "--threads", "2"]), "weak").first)
      #expect(row["pairs"] as? Int == 6 && row["cores"] as? Int == 2)
    },
    "strong": { bench in
      let row = try #require(rows(try measured(bench, ["--strong", "3", "--threads", "2"]), "strong").first)
      #expect(row["pairs"] as? Int == 3)
      if hasLauncher {
        let idle = try Command.run(
          ["benchmark", "scaling", "--report", bench.place.path + "/idle", "--strong", "1"] + shape, ranks: 2)
        #expect(idle.code == 64 && idle.errors.contains("1 micro-batches for 2 ranks"), "\(idle.errors)")
      }
    },
    "steps": { bench in
      _ = try measured(bench, ["--weak", "1", "--steps", "4"])
      let point = try object(bench, "report/points/weak-synthetic-1x1x1-1.json")
      #expect((point["step_seconds"] as? [Double])?.count == 4)
    },
    "round": { bench in
      _ = try measured(bench, ["--weak", "1", "--round", "7"])
      let report = try measured(bench, ["--weak", "1"])
      #expect(bench.place.exists("report/points/weak-synthetic-1x1x1-7.json"))
      #expect(bench.place.exists("report/points/weak-synthetic-1x1x1-1.json"))
      #expect(try #require(rows(report, "weak").first)["rounds"] as? Int == 2)
    },
    "epoch-pairs": { bench in
      let hours = try ["100", "1000"].map { pairs in
        let point = ["--weak", "1", "--round", "1", "--epoch-pairs", pairs]
        let row = try #require(rows(try measured(bench, point), "weak").first)
        let rate = try #require((row["pairs_per_second"] as? [String: Any])?["mean"] as? Double)
        return try #require(row["core_hours_per_epoch"] as? Double) * rate * 3600
      }
      #expect(abs(hours[0] - 100) < 1e-6 && abs(hours[1] - 1000) < 1e-6)
    },
    "data": { bench in
      let data = try measured(bench, ["--weak", "1", "--data", bench.data])
      #expect((data["setting"] as? [String: Any])?["epoch_pairs"] != nil)
      #expect(bench.place.exists("report/points/weak-data-1x1x1-1.json"))
    },
    "project": { bench in
      let report = try measured(bench, ["--weak", "1", "--project", "1,4,1024"])
      let projections = try #require(report["projections"] as? [[String: Any]])
      let hosts = (projections.first?["rows"] as? [[String: Any]])?.compactMap { $0["hosts"] as? Int }
      #expect(hosts == [1, 4, 1024] && projections.count == 3)
      #expect(try Command.run(["benchmark", "scaling", "--report", bench.place.path, "--project", "1,two"]).code == 64)
    },
    "network": { bench in
      let report = try measured(bench, ["--weak", "1", "--project", "2", "--network", "30:2.5:0.75,30:2.5:0.75:2"])
      let projections = try #require(report["projections"] as? [[String: Any]])
      let networks = projections.compactMap { $0["network"] as? [String: Double] }
      #expect(networks.count == 2)
      for network in networks { #expect(network["gigabits_per_second"] == 2.5 && network["share"] == 0.75) }
      #expect(networks.last?["core_seconds_per_gigabit"] == 2 && networks.first != networks.last)
      let file = bench.place.path + "/allreduce.json"
      let arrays = [[4096, 1e-4], [10_000_000, 0.0801]].map {
        ["bytes": $0[0], "tree": ["seconds": $0[1]]] as [String: Any]
      }
      let measured: [String: Any] = ["ranks": 2, "arrays": arrays]
      try JSONSerialization.data(withJSONObject: measured).write(to: URL(fileURLWithPath: file))
      let other = try ScalingTrials.measured(bench, ["--weak", "1", "--project", "2", "--network", file])
      let found = (other["projections"] as? [[String: Any]])?.first?["network"] as? [String: Double]
      #expect(abs(try #require(found?["gigabits_per_second"]) - 1) < 0.01, "\(String(describing: found))")
      let table = ["benchmark", "scaling", "--report", bench.place.path, "--network", bench.data + "/annotations.csv"]
      #expect(try Command.run(table).code == 65)
      for wrong in ["1", "1:0", "1:2:3", "1:2:0.5:-1", "1:2:0.5:1:1", "a:1", ""] {
        #expect(
          try Command.run(["benchmark", "scaling", "--report", bench.place.path, "--network", wrong]).code == 64,
          "\(wrong)")
      }
    },
    "mtbf": { bench in
      let report = try measured(bench, ["--weak", "1", "--mtbf", "240", "--project", "1,10"])
      let faults = try #require(report["faults"] as? [[String: Any]])
      let daily = faults.compactMap { $0["failures_per_day"] as? Double }
      #expect(daily.count == 2 && abs(daily[0] - 0.1) < 1e-9 && abs(daily[1] - 1) < 1e-9)
      #expect(try Command.run(["benchmark", "scaling", "--report", bench.place.path, "--mtbf", "0"]).code == 64)
    },
    "commit": { bench in
      let report = try measured(bench, ["--weak", "1", "--commit", "abc123"])
      #expect((report["setting"] as? [String: Any])?["commit"] as? String == "abc123")
    },
    "command": { bench in
      _ = try measured(bench, ["--weak", "1", "--command", "launch/scaling <1>"])
      #expect(bench.place.text("report/scaling.html").contains("launch/scaling &lt;1&gt;"))
    },
    "config": { bench in
      let file = bench.place.path + "/options.yaml"
      try "threads: 2\n".write(toFile: file, atomically: true, encoding: .utf8)
      let row = try #require(rows(try measured(bench, ["--weak", "1", "--config", file]), "weak").first)
      #expect(row["threads"] as? Int == 2)
    },
  ]

  /// The report after a measurement with `options`.
  private static func measured(_ bench: Bench, _ options: [String]) throws -> [String: Any] {
    _ = try Command.good(["benchmark", "scaling", "--report", bench.place.path + "/report"] + shape + options)
    return try object(bench, "report/scaling.json")
  }

  private static func object(_ bench: Bench, _ name: String) throws -> [String: Any] {
    let data = try #require(bench.place.bytes(name))
    return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  private static func rows(_ report: [String: Any], _ kind: String) -> [[String: Any]] {
    let series = (report["series"] as? [[String: Any]])?.first { $0["kind"] as? String == kind }
    return series?["rows"] as? [[String: Any]] ?? []
  }
}
