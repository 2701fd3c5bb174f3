import Foundation
import Testing

/// Trials of the options of `check`.
enum CheckTrials {
  private static let fixture =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path + "/Parity/fixtures/without-casfm.safetensors"

  static let all: [String: Trial] = [
    "threads": { _ in
      let (one, three) = (
        try Command.good(["check", fixture]).output, try Command.good(["check", fixture, "--threads", "2"]).output
      )
      #expect(one == three && one.hasPrefix("ok"))
    },
    "verbose": { _ in
      let (short, long) = (
        try Command.good(["check", fixture]).output, try Command.good(["check", fixture, "--verbose"]).output
      )
      #expect(short.split(separator: "\n").count == 1 && long.split(separator: "\n").count > 100)
    },
  ]
}

/// Trials of the options of `doctor`.
enum DoctorTrials {
  static let all: [String: Trial] = [
    "threads": { _ in
      let found = try Command.good(["doctor", "--json", "--threads", "1000"]).object["threads"] as? [String: Any]
      #expect(found?["value"] as? String == "1000 a rank" && found?["ok"] as? Bool == false)
      #expect((found?["cure"] as? String)?.contains("--threads") == true)
    },
    "json": { _ in
      let keys = try Command.good(["doctor", "--json"]).object.keys
      #expect(keys.contains("blas") && keys.contains("mpi"))
      #expect(try Command.good(["doctor"]).output.contains("instruction set"))
    },
  ]
}

/// Trials of the options of `benchmark`.
enum BenchmarkTrials {
  static let step = shared("step").merging([
    "trace": { try traces("step", $0) },
    "recompute": { bench in
      let shape = ["--depth", "50", "--batch", "2"]
      let (plain, other) = (
        try figures("step", bench, shape).figures, try figures("step", bench, shape + ["--recompute"]).figures
      )
      let (most, least) = (plain["arena_mib"] as? Int, other["arena_mib"] as? Int)
      #expect(try #require(least) < #require(most))
    },
  ]) { $1 }
  static let inference = shared("inference").merging(["trace": { try traces("inference", $0) }]) { $1 }
  static let kernels = shared("kernels")

  /// The figures of a benchmark of `kind` with `options`, and its lines for people.
  private static func figures(_ kind: String, _ bench: Bench, _ options: [String]) throws -> (
    figures: [String: Any], said: String
  ) {
    let file = bench.place.path + "/figures.json"
    let shape = ["--depth", "18", "--size", "64", "--batch", "1", "--steps", "1", "--warmup", "0"]
    let done = try Command.good(["benchmark", kind, "--json", file] + shape + options)
    let object = try JSONSerialization.jsonObject(with: #require(bench.place.bytes("figures.json")))
    return (try #require(object as? [String: Any]), done.errors)
  }

  /// The options that all benchmarks have.
  private static func shared(_ kind: String) -> [String: Trial] {
    var trials: [String: Trial] = [
      "steps": { bench in
        let said = try figures(kind, bench, ["--steps", "3"]).said
        #expect(said.contains("run 3 of 3: "))
      },
      "warmup": { bench in
        let said = try figures(kind, bench, ["--warmup", "2"]).said.split(separator: "\n")
        #expect(said.count { $0.hasPrefix("run ") } == 3 && said.count { $0.hasSuffix(", warmup") } == 2)
      },
      "recompute": { _ = try figures(kind, $0, ["--recompute"]) },
      "json": { bench in
        let figures = try figures(kind, bench, []).figures
        #expect(figures["instruction_set"] is String)
      },
    ]
    for (option, value) in [("depth", 34), ("size", 96), ("batch", 2), ("threads", 2)] {
      trials[option] = { bench in
        let figures = try figures(kind, bench, ["--\(option)", "\(value)"]).figures
        #expect(figures[option] as? Int == value)
      }
    }
    return trials
  }

  /// Whether `--trace` of a benchmark writes events.
  private static func traces(_ kind: String, _ bench: Bench) throws {
    _ = try figures(kind, bench, ["--trace", bench.place.path + "/trace.json"])
    let object = try JSONSerialization.jsonObject(with: #require(bench.place.bytes("trace.json"))) as? [String: Any]
    #expect((object?["traceEvents"] as? [Any])?.isEmpty == false)
  }
}
