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
    "output": { bench in
      func output(_ environment: [String: String] = [:]) throws -> [String: Any]? {
        let said = try Command.run(["doctor", "--json", "--output", bench.place.path], environment: environment)
        return try said.object["output"] as? [String: Any]
      }
      #expect(try output()?["ok"] as? Bool == true)
      let poor = try output(["LD_PRELOAD": "\(products)/libpoorfilesystem.so", "POOR_FILE_SYSTEM": "1"])
      #expect(
        poor?["ok"] as? Bool == false && (poor?["cure"] as? String)?.contains("symbolic links") == true,
        "\(poor ?? [:])")
      #expect(try Command.run(["doctor", "--output", bench.place.path + "/nowhere"]).code == 73)
      let left = try FileManager.default.contentsOfDirectory(atPath: bench.place.path)
      #expect(!left.contains { $0.contains("doctor") })
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

  static let allReduce: [String: Trial] = [
    "largest": { bench in
      let arrays = try reductions(bench, ["--largest", "4"]).arrays
      let round = arrays.filter { $0["buckets"] as? Int == 0 }
      #expect(round.compactMap { $0["bytes"] as? Int } == [12, 14, 16, 18, 20, 22].map { 1 << $0 })
    },
    "depth": { bench in
      // All buckets together are the network's gradients: 4 bytes of each of ResNet's parameters, and some of the rest.
      let sizes = try ["18", "50"].map { depth in
        try reductions(bench, ["--depth", depth]).arrays.reduce(0) { sum, array in
          sum + (array["bytes"] as? Int ?? 0) * (array["buckets"] as? Int ?? 0)
        }
      }
      #expect(sizes[0] > 4 * 11_176_512 && sizes[1] > 4 * 23_508_032 && sizes[0] < sizes[1])
    },
    "bucket": { bench in
      let counts = try ["25", "1000"].map { bucket in
        try reductions(bench, ["--bucket", bucket]).arrays.reduce(0) { $0 + ($1["buckets"] as? Int ?? 0) }
      }
      #expect(counts[0] > counts[1] && counts[1] >= 1)
    },
    "steps": { bench in
      // Whether runs differ: one has no other to differ from.
      let differ = try ["1", "9"].map { steps in
        try reductions(bench, ["--steps", steps]).arrays.contains {
          let figures = $0["tree"] as? [String: Double]
          return figures?["seconds_min"] != figures?["seconds_max"]
        }
      }
      #expect(differ == [false, true])
    },
    "wire": { bench in
      let wires = try [[], ["--wire", "bfloat16"]].map { try reductions(bench, $0).figures["wire"] as? String }
      #expect(wires == ["float32", "bfloat16"])
      #expect(try Command.run(["benchmark", "allreduce", "--wire", "float64"]).code == 64)
    },
    "json": { bench in
      let figures = try reductions(bench, []).figures
      #expect(figures["ranks"] as? Int == (hasLauncher ? 2 : 1))
    },
  ]

  static let loader: [String: Trial] = [
    "seconds": { bench in
      let said = try Command.good(["benchmark", "loader", "--data", bench.data, "--size", "64", "--seconds", "0.1"])
      #expect(said.output.contains("from photographs") && said.output.contains("from the cache"))
      for wrong in ["0", "soon", "1e9"] {
        #expect(try Command.run(["benchmark", "loader", "--data", bench.data, "--seconds", wrong]).code == 64)
      }
    },
    "config": { bench in
      let file = bench.place.path + "/options.yaml"
      try "cache: none\nsize: 96\ndata: \(bench.data)\n".write(toFile: file, atomically: true, encoding: .utf8)
      let said = try Command.good(["benchmark", "loader", "--config", file, "--seconds", "0.1"]).output
      #expect(said.contains("96 pixels") && !said.contains("from the cache"), "\(said)")
    },
  ]

  /// The figures of `benchmark allreduce` with `options`, and those of its arrays.
  private static func reductions(
    _ bench: Bench, _ options: [String]
  ) throws -> (figures: [String: Any], arrays: [[String: Any]]) {
    let file = bench.place.path + "/figures.json"
    let done = try Command.run(
      ["benchmark", "allreduce", "--json", file, "--largest", "1", "--steps", "1"] + options,
      ranks: hasLauncher ? 2 : nil)
    #expect(done.code == 0, "\(done.errors)")
    let object = try JSONSerialization.jsonObject(with: #require(bench.place.bytes("figures.json")))
    let figures = try #require(object as? [String: Any])
    return (figures, try #require(figures["arrays"] as? [[String: Any]]))
  }

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
