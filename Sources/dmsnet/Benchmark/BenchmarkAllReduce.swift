import ArgumentParser
import Foundation
import Scaling
import Training

/// The all-reduce in the tree's order beside the MPI library's own, from 4 KiB on, over the ranks of this job.
struct BenchmarkAllReduce: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "allreduce",
    abstract: "The all-reduce beside MPI's own, over the ranks of this job.")

  @Option(help: "Largest array in MiB.") var largest = 256
  @Option(help: "Runs of each that count, in turn.") var steps = 9
  @Option(help: "How floats travel: float32 or bfloat16.") var wire = Wire.float32.rawValue
  @Option(help: "ResNet depth of the network whose buckets are measured too.") var depth = 50
  @Option(help: "MiB of a bucket.") var bucket = 25
  @Option(help: "Write the figures to a file as JSON.") var json: String?

  /// One array's figures: seconds of each run, sorted.
  private struct Row {
    let bytes: Int
    /// How many of the network's buckets are of this size; 0 for a round size.
    let count: Int
    let tree, library: [Double]
  }

  func run() throws {
    let communicator = try Job.communicator()
    let wire = try communicator.together {
      try require(largest, in: 1...1024, "--largest")
      try require(steps, in: 1...500, "--steps")
      try require(bucket, in: 1...1024, "--bucket")
      guard let wire = Wire(rawValue: self.wire) else {
        throw Failure(.usage, "--wire is \(self.wire), expected float32 or bfloat16")
      }
      if communicator.rank == 0 { try json.map(AtomicFile.check) }
      return wire
    }
    let buckets = try communicator.together { try self.buckets() }
    let limit = max(largest << 20, buckets.max() ?? 0)
    let timing = try AllReduceTiming(communicator, largest: limit, wire: wire)
    // From 4 KiB on, and a bucket of gradients by default.
    let sizes = (stride(from: 12, through: 30, by: 2).map { 1 << $0 } + [25 << 20]).filter { $0 <= largest << 20 }
    let arrays: [(bytes: Int, isBucket: Bool)] =
      sizes.map { ($0, false) } + Set(buckets).map { ($0, true) }
    var rows: [Row] = []
    for (bytes, isBucket) in arrays.sorted(by: { $0.bytes < $1.bytes }) {
      let seconds = try timing.seconds(bytes, runs: steps, besidesLibrary: true)
      let count = isBucket ? buckets.count { $0 == bytes } : 0
      rows.append(Row(bytes: bytes, count: count, tree: seconds.tree, library: seconds.library))
    }
    try communicator.onFirst {
      try json.map { try AtomicFile.write(Training.json(object(rows, communicator.size), indented: true), to: $0) }
      try StandardOutput.print(text(rows, communicator.size, communicator.library))
    }
  }

  /// Bytes of the buckets in which the gradients of the network travel.
  private func buckets() throws -> [Int] {
    let options = try Options(["depth": ["\(depth)"], "bucket": ["\(bucket)"]])
    let replica = try Replica(options.network(labels: 8), height: 224, width: 224, threads: 1, seed: nil)
    return Buckets(
      count: replica.variables.gradientCount, tensors: replica.variables.gradientRanges.map(\.range),
      capacity: bucket << 20
    ).ranges.map { 4 * $0.count }
  }

  private func object(_ rows: [Row], _ ranks: Int) -> [String: Any] {
    func figures(_ bytes: Int, _ seconds: [Double]) -> [String: Double] {
      let middle = median(seconds)
      let rate = AllReduceRate(bytes: bytes, seconds: middle, ranks: ranks)
      return [
        "seconds": middle, "seconds_min": seconds[0], "seconds_max": seconds[seconds.count - 1],
        "algorithm_gb_per_second": rate.algorithm, "bus_gb_per_second": rate.bus,
      ]
    }
    return [
      "ranks": ranks, "wire": wire, "depth": depth,
      "arrays": rows.map {
        [
          "bytes": $0.bytes, "buckets": $0.count, "tree": figures($0.bytes, $0.tree),
          "library": figures($0.bytes, $0.library),
        ] as [String: Any]
      },
    ]
  }

  private func text(_ rows: [Row], _ ranks: Int, _ library: String) -> String {
    let header = [
      "\(ranks) ranks, \(library)", "tree ms", "least - most", "algorithm", "bus GB/s", "MPI ms", "least - most",
      "algorithm", "bus GB/s", "tree/MPI", "",
    ]
    func cells(_ bytes: Int, _ seconds: [Double]) -> [String] {
      let (least, most) = (seconds[0] * 1e3, seconds[seconds.count - 1] * 1e3)
      let rate = AllReduceRate(bytes: bytes, seconds: median(seconds), ranks: ranks)
      return [
        fixed(median(seconds) * 1e3, 3), "\(fixed(least, 3)) - \(fixed(most, 3))", fixed(rate.algorithm),
        fixed(rate.bus),
      ]
    }
    let lines = rows.map { row -> [String] in
      let mark = row.count == 0 ? "" : "\(row.count == 1 ? "a bucket" : "\(row.count) buckets") of depth \(depth)"
      let ratio = fixed(median(row.tree) / median(row.library))
      return [Self.size(row.bytes)] + cells(row.bytes, row.tree) + cells(row.bytes, row.library) + [ratio, mark]
    }
    return table([header] + lines)
  }

  private static func size(_ bytes: Int) -> String {
    let mebibytes = Double(bytes) / Double(1 << 20)
    if bytes < 1 << 20 { return "\(bytes >> 10) KiB" }
    return mebibytes == mebibytes.rounded() ? "\(bytes >> 20) MiB" : "\(fixed(mebibytes, 1)) MiB"
  }
}
