import ArgumentParser
import Foundation
import Scaling
import Training

/// A training step: forward, losses, backward, and SGD with momentum.
struct BenchmarkStep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step", abstract: "A training step: forward, losses, backward, SGD with momentum.")

  @OptionGroup var options: BenchmarkOptions
  @Option(help: "Write a trace of one step for Perfetto or Chrome.") var trace: String?

  func run() throws {
    try options.check(trace)
    let replica = try options.replica(trains: true)
    let peak = Peak.measure(replica.team)
    let program = try replica.training(pairs: options.batch)
    let update = try WeightUpdate(replica.variables, states: 1)
    let fill = try options.noise()
    var losses: [Float] = []
    var updating: Range<UInt64> = 0..<0
    let seconds = options.measure {
      fill(program)
    } _: {
      program.run()
      losses.append(program.scalar("loss") ?? 0)
      let start = Recording.now
      _ = update.gradientNorm(team: replica.team) { _ in }
      update.apply(.sgd(momentum: 0.9), rate: 0.01, decay: 0, scale: 1, team: replica.team)
      updating = start..<Recording.now
    }
    // One more run tells the shares; noting them takes time of its own.
    let recording = Recording(program, threads: replica.team.count)
    program.recording = recording
    fill(program)
    program.run()
    let shares = Shares(program, recording, others: [("update", updating)])
    let flops = program.steps.reduce(0) { $0 + $1.cost.flops }
    var figures = options.figures(seconds)
    figures["peak_gflops"] = peak
    figures["gflop_per_step"] = Double(flops) / 1e9
    figures["mfu"] = Double(flops) / 1e9 / median(seconds) / peak
    figures["losses"] = losses.map { $0.isFinite ? Double($0) as Any : NSNull() }
    figures["arena_mib"] = program.arenaBytes.planned >> 20
    figures["arena_lower_bound_mib"] = program.arenaBytes.lowerBound >> 20
    figures["shares"] = shares.object
    try options.write(figures)
    if let trace { try Trace(program, recording, threads: replica.team.count).write(trace) }
    try StandardOutput.print(summary(figures, seconds, Double(flops) / 1e9, peak) + "\n" + shares.table)
  }

  private func summary(_ figures: [String: Any], _ seconds: [Double], _ gflop: Double, _ peak: Double) -> String {
    let middle = median(seconds)
    let spread = "\(fixed(seconds[0], 4)) - \(fixed(seconds[seconds.count - 1], 4))"
    return table([
      [
        "step, depth \(options.depth), \(options.size)x\(options.size), \(options.batch) pairs",
        "\(options.threads) threads",
      ],
      ["seconds, median", fixed(middle, 4)], ["seconds, least - most", spread],
      ["pairs/s", fixed(Double(options.batch) / middle)], ["images/s", fixed(2 * Double(options.batch) / middle)],
      ["GFLOP counted directly", fixed(gflop, 1)], ["peak of \(Library.instructionSet), GFLOP/s", fixed(peak, 1)],
      ["MFU (above 1 where tiles save products)", fixed(gflop / middle / peak, 3)],
      ["peak RSS, MiB", "\(figures["peak_rss_mib"] ?? 0)"], ["arena, MiB", "\(figures["arena_mib"] ?? 0)"],
    ])
  }
}

/// A step's time by operation kind.
struct Shares {
  private struct Share {
    var count = 0
    var seconds = 0.0
    var flops = 0
    var bytes = 0
  }
  private let shares: [(kind: String, share: Share)]
  private let total: Double

  init(_ program: Program, _ recording: Recording, others: [(String, Range<UInt64>)] = []) {
    var byKind: [String: Share] = [:]
    for (index, step) in program.steps.enumerated() {
      let kind = ([step.name] + step.followers).joined(separator: " + ")
      let time = recording[thread: 0, step: index]
      byKind[kind, default: Share()].count += 1
      byKind[kind, default: Share()].seconds += Double(time.upperBound - time.lowerBound) / 1e9
      byKind[kind, default: Share()].flops += step.cost.flops
      byKind[kind, default: Share()].bytes += step.cost.bytes
    }
    for (kind, time) in others {
      byKind[kind] = Share(count: 1, seconds: Double(time.upperBound - time.lowerBound) / 1e9)
    }
    shares = byKind.map { ($0.key, $0.value) }.sorted { $0.share.seconds > $1.share.seconds }
    total = shares.reduce(0) { $0 + $1.share.seconds }
  }

  var object: [[String: Any]] {
    shares.map {
      [
        "kind": $0.kind, "count": $0.share.count, "seconds": $0.share.seconds, "share": $0.share.seconds / total,
        "gflops": $0.share.seconds > 0 ? Double($0.share.flops) / $0.share.seconds / 1e9 : 0, "bytes": $0.share.bytes,
      ]
    }
  }

  var table: String {
    dmsnet.table(
      [["operations", "count", "ms", "%", "GFLOP/s", "GB/s"]]
        + shares.filter { $0.share.seconds > total / 2000 }.map {
          [
            $0.kind, "\($0.share.count)", fixed($0.share.seconds * 1e3), fixed(100 * $0.share.seconds / total, 1),
            fixed(Double($0.share.flops) / $0.share.seconds / 1e9, 1),
            fixed(Double($0.share.bytes) / $0.share.seconds / 1e9, 1),
          ]
        })
  }
}

/// Events of one run in Chrome's trace format, which Perfetto reads too.
struct Trace {
  private let events: [[String: Any]]

  init(_ program: Program, _ recording: Recording, threads: Int) {
    let start = program.steps.isEmpty ? 0 : recording[thread: 0, step: 0].lowerBound
    events = (0..<threads).flatMap { thread in
      program.steps.enumerated().map { index, step in
        let time = recording[thread: thread, step: index]
        return [
          "name": ([step.name] + step.followers).joined(separator: " + "), "cat": step.label, "ph": "X", "pid": 0,
          "tid": thread, "ts": (Double(time.lowerBound) - Double(start)) / 1e3,
          "dur": Double(time.upperBound - time.lowerBound) / 1e3,
          "args": ["label": step.label, "flops": step.cost.flops],
        ]
      }
    }
  }

  func write(_ path: String) throws {
    try AtomicFile.write(json(["traceEvents": events, "displayTimeUnit": "ms"]), to: path)
  }
}
