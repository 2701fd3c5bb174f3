import ArgumentParser
import Foundation
import Training

/// The all-reduce in the tree's order beside the MPI library's own, from 4 KiB on, over the ranks of this job.
struct BenchmarkAllReduce: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "allreduce",
    abstract: "The all-reduce beside MPI's own, over the ranks of this job.")

  @Option(help: "Largest array in MiB.") var largest = 256
  @Option(help: "Runs of each that count, in turn.") var steps = 9
  @Option(help: "How floats travel: float32 or bfloat16.") var wire = Wire.float32.rawValue
  @Option(help: "Write the figures to a file as JSON.") var json: String?

  /// One array's figures: seconds of each run, sorted.
  private struct Row {
    let bytes: Int
    let tree, library: [Double]
  }

  func run() throws {
    let communicator = try Job.communicator()
    let wire = try communicator.together {
      try require(largest, in: 1...1024, "--largest")
      try require(steps, in: 1...500, "--steps")
      guard let wire = Wire(rawValue: self.wire) else {
        throw Failure(.usage, "--wire is \(self.wire), expected float32 or bfloat16")
      }
      if communicator.rank == 0 { try json.map(AtomicFile.check) }
      return wire
    }
    let ranks = communicator.size
    let storage = try communicator.together { try Storage(byteCount: largest << 20) }
    let reduction = try TreeReduction(communicator, of: .gradients, wire: wire)
    reduction.begin(ReductionTree(leaves: ranks), shares: (0..<ranks).map { $0..<$0 + 1 })
    let team = try ThreadTeam(count: 1)
    var rows: [Row] = []
    // From 4 KiB on, and a bucket of gradients by default.
    let sizes = (stride(from: 12, through: 30, by: 2).map { 1 << $0 } + [25 << 20]).sorted()
    for bytes in sizes where bytes <= largest << 20 {
      let array = UnsafeMutableBufferPointer(rebasing: storage.floats[..<(bytes / 4)])
      let sums = PartialSums(array, team: team)
      rows.append(
        try measure(bytes, communicator) {
          sums.begin(ReductionTree(leaves: ranks))
          _ = try sums.expect(communicator.rank)
          try reduction.reduceScatter(array.indices, sums)
          try reduction.allGather(array.indices, sums.array)
        } library: {
          try communicator.sum(array)
        })
    }
    try communicator.onFirst {
      try json.map { try AtomicFile.write(Training.json(object(rows, ranks), indented: true), to: $0) }
      try StandardOutput.print(text(rows, ranks, communicator.library))
    }
  }

  /// Runs both in turn; a run takes as long as it does on the slowest rank.
  private func measure(
    _ bytes: Int, _ communicator: any Communicator, tree: () throws -> Void, library: () throws -> Void
  ) throws -> Row {
    func seconds(_ body: () throws -> Void) throws -> Double {
      try communicator.barrier()
      let start = Recording.now
      try body()
      return Double(try communicator.maximum(Int(Recording.now - start))) / 1e9
    }
    var (trees, libraries) = ([Double](), [Double]())
    for run in 0...steps {
      let (a, b) = (try seconds(tree), try seconds(library))
      // The first touches memory and opens connections.
      if run > 0 {
        trees.append(a)
        libraries.append(b)
      }
    }
    return Row(bytes: bytes, tree: trees.sorted(), library: libraries.sorted())
  }

  /// Bytes a second that each link carries in a ring: what hardware is compared by.
  private func busBandwidth(_ bytes: Int, _ seconds: Double, _ ranks: Int) -> Double {
    2 * Double(bytes) * Double(ranks - 1) / Double(ranks) / seconds / 1e9
  }

  private func object(_ rows: [Row], _ ranks: Int) -> [String: Any] {
    func figures(_ bytes: Int, _ seconds: [Double]) -> [String: Double] {
      let middle = median(seconds)
      return [
        "seconds": middle, "seconds_min": seconds[0], "seconds_max": seconds[seconds.count - 1],
        "algorithm_gb_per_second": Double(bytes) / middle / 1e9,
        "bus_gb_per_second": busBandwidth(bytes, middle, ranks),
      ]
    }
    return [
      "ranks": ranks, "wire": wire,
      "arrays": rows.map {
        ["bytes": $0.bytes, "tree": figures($0.bytes, $0.tree), "library": figures($0.bytes, $0.library)]
          as [String: Any]
      },
    ]
  }

  private func text(_ rows: [Row], _ ranks: Int, _ library: String) -> String {
    let header = [
      "\(ranks) ranks, \(library)", "tree ms", "least - most", "GB/s", "MPI ms", "least - most", "GB/s", "tree/MPI",
    ]
    func cells(_ bytes: Int, _ seconds: [Double]) -> [String] {
      let (least, most) = (seconds[0] * 1e3, seconds[seconds.count - 1] * 1e3)
      return [
        fixed(median(seconds) * 1e3, 3), "\(fixed(least, 3)) - \(fixed(most, 3))",
        fixed(busBandwidth(bytes, median(seconds), ranks)),
      ]
    }
    return table(
      [header]
        + rows.map {
          [$0.bytes >= 1 << 20 ? "\($0.bytes >> 20) MiB" : "\($0.bytes >> 10) KiB"] + cells($0.bytes, $0.tree)
            + cells($0.bytes, $0.library) + [fixed(median($0.tree) / median($0.library))]
        })
  }
}
