import ArgumentParser
import Foundation
import Scaling
import Training

/// How fast the program's parts are on this machine; the engine with synthetic input.
struct Benchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure engine, communication and loader on this machine.",
    subcommands: [
      BenchmarkStep.self, BenchmarkInference.self, BenchmarkKernels.self, BenchmarkAllReduce.self, BenchmarkLoader.self,
      BenchmarkScaling.self,
    ])
}

/// What is measured, and where the figures go.
struct BenchmarkOptions: ParsableArguments {
  @Option(help: "ResNet depth.") var depth = 152
  @Option(help: "Photographs' height and width in pixels.") var size = 224
  @Option(help: "Pairs.") var batch = 4
  @Option(help: "Threads.") var threads = 1
  @Option(help: "Runs that count.") var steps = 5
  @Option(help: "Runs before them.") var warmup = 2
  @Flag(help: "Keep few block sums and rebuild the others in the backward pass.") var recompute = false
  @Option(help: "Write the figures to a file as JSON.") var json: String?

  /// Refuses values that are no use, and files that could not be written in the end.
  func check(_ files: String?...) throws {
    try require(size, in: DMSNet.extents, "--size")
    try require(batch, in: 1...512, "--batch")
    try require(threads, in: Limits.threads, "--threads")
    try require(steps, in: 1...500, "--steps")
    try require(warmup, in: 0...100, "--warmup")
    for file in [json] + files { try file.map(AtomicFile.check) }
  }

  /// A replica of the network, with something in its running statistics.
  func replica(trains: Bool) throws -> Replica {
    let options = try Options(["depth": ["\(depth)"]])
    return try Replica(
      options.network(labels: 8), height: size, width: size, threads: threads, seed: 1, trains: trains,
      recomputes: recompute)
  }

  /// Plausible noise for every input; to be called before each run, which may use the inputs' memory for something else.
  func noise() throws -> (Program) -> Void {
    var stream = CounterRandom(seed: 2).stream(.test)
    let images = try Storage(byteCount: 4 * 2 * batch * size * size * 3)
    for i in images.floats.indices { images.floats[i] = stream.uniform(-2, 2) }
    let labels = (0..<batch * 8).map { _ in stream.uniform(0, 1) < 0.3 ? Float(1) : 0 }
    let batch = Float(batch)
    return { program in
      program.fill("images") { _ = $0.update(fromContentsOf: images.floats) }
      program.set("labels", labels)
      program.set("eye_labels", labels + labels)
      program.set("pairs", [batch])
      program.fillBytes("keys") { for i in $0.indices { $0[i] = UInt8(truncatingIfNeeded: i) } }
    }
  }

  /// Seconds of each of `steps` calls of `body`, each after a call of `prepare`, and after `warmup` calls that do not count.
  func measure(_ prepare: () -> Void, _ body: () -> Void) -> [Double] {
    (0..<warmup + steps).map { index in
      prepare()
      let start = Recording.now
      body()
      let seconds = Double(Recording.now - start) / 1e9
      StandardError.say(
        "run \(index + 1) of \(warmup + steps): \(fixed(seconds, 4)) s\(index < warmup ? ", warmup" : "")")
      return seconds
    }
    .suffix(steps).sorted()
  }

  /// The figures every benchmark has.
  func figures(_ seconds: [Double]) -> [String: Any] {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let middle = median(seconds)
    return [
      "depth": depth, "size": size, "batch": batch, "threads": threads, "instruction_set": Library.instructionSet,
      "seconds": middle, "seconds_min": seconds[0], "seconds_max": seconds[seconds.count - 1],
      "pairs_per_second": Double(batch) / middle, "images_per_second": 2 * Double(batch) / middle,
      "peak_rss_mib": usage.ru_maxrss / 1024,
    ]
  }

  /// Writes `object` where `--json` says.
  func write(_ object: [String: Any]) throws {
    if let json { try AtomicFile.write(Training.json(object, indented: true), to: json) }
  }
}

/// Rows of text in columns: the first to the left, the others to the right.
func table(_ rows: [[String]]) -> String {
  let widths = (0..<(rows.map(\.count).max() ?? 0)).map { column in
    rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
  }
  return rows.map { row in
    row.enumerated().map { column, text in
      let fill = String(repeating: " ", count: widths[column] - text.count)
      return column == 0 ? text + fill : fill + text
    }
    .joined(separator: "  ")
  }
  .joined(separator: "\n")
}

/// `value` with `digits` decimals.
func fixed(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
