import ArgumentParser
import Scaling
import Training

/// Evaluation of one batch, without losses or gradients.
struct BenchmarkInference: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "inference", abstract: "Evaluation of one batch.")

  @OptionGroup var options: BenchmarkOptions
  @Option(help: "Write a trace of one batch for Perfetto or Chrome.") var trace: String?

  func run() throws {
    try options.check(trace)
    let replica = try options.replica(trains: false)
    let peak = Peak.measure(replica.team)
    let program = try replica.inference(pairs: options.batch)
    let fill = try options.noise()
    let seconds = options.measure {
      fill(program)
    } _: {
      program.run()
    }
    let recording = Recording(program, threads: replica.team.count)
    program.recording = recording
    fill(program)
    program.run()
    let shares = Shares(program, recording)
    let gflop = Double(program.steps.reduce(0) { $0 + $1.cost.flops }) / 1e9
    let middle = median(seconds)
    var figures = options.figures(seconds)
    figures["peak_gflops"] = peak
    figures["gflop_per_batch"] = gflop
    figures["mfu"] = gflop / middle / peak
    figures["arena_mib"] = program.arenaBytes.planned >> 20
    figures["shares"] = shares.object
    try options.write(figures)
    if let trace { try Trace(program, recording, threads: replica.team.count).write(trace) }
    try StandardOutput.print(
      table([
        [
          "inference, depth \(options.depth), \(options.size)x\(options.size), \(options.batch) pairs",
          "\(options.threads) threads",
        ],
        ["seconds, median", fixed(middle, 4)],
        ["seconds, least - most", "\(fixed(seconds[0], 4)) - \(fixed(seconds[seconds.count - 1], 4))"],
        ["pairs/s", fixed(Double(options.batch) / middle)], ["images/s", fixed(2 * Double(options.batch) / middle)],
        ["MFU (above 1 where tiles save products)", fixed(gflop / middle / peak, 3)],
        ["peak RSS, MiB", "\(figures["peak_rss_mib"] ?? 0)"], ["arena, MiB", "\(figures["arena_mib"] ?? 0)"],
      ]) + "\n" + shares.table)
  }
}
