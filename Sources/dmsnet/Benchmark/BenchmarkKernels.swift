import ArgumentParser
import Training

/// Every distinct convolution of a network, alone.
struct BenchmarkKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels", abstract: "Every distinct convolution of a depth: forward and both gradients.")

  @OptionGroup var options: BenchmarkOptions

  func run() throws {
    try options.check()
    let replica = try options.replica(trains: true)
    let peak = Peak.measure(replica.team)
    let program = try replica.training(pairs: options.batch)
    let fill = try options.noise()
    let recording = Recording(program, threads: replica.team.count)
    program.recording = recording
    // Shapes in the order of their first use; of equal ones every run counts.
    var order: [String] = []
    var times: [String: (seconds: [Double], flops: Int, algorithm: String, count: Int)] = [:]
    var runs = 0
    _ = options.measure {
      fill(program)
    } _: {
      program.run()
      runs += 1
      guard runs > options.warmup else { return }
      for (index, step) in program.steps.enumerated() where step.name.hasPrefix("convolution") {
        let key = "\(step.name) \(step.inputs.prefix(2).map(\.shape.description).joined(separator: " "))"
        if times[key] == nil {
          order.append(key)
          times[key] = ([], step.cost.flops, step.algorithm, 0)
        }
        let time = recording[thread: 0, step: index]
        times[key]?.seconds.append(Double(time.upperBound - time.lowerBound) / 1e9)
        if runs == options.warmup + 1 { times[key]?.count += 1 }
      }
    }
    let rows = order.compactMap { key in times[key].map { (key, $0) } }.map { key, entry in
      (key, entry, entry.seconds.sorted()[entry.seconds.count / 2])
    }
    var figures: [String: Any] = [
      "depth": options.depth, "size": options.size, "batch": options.batch, "threads": options.threads,
      "instruction_set": Library.instructionSet, "peak_gflops": peak,
    ]
    figures["kernels"] = rows.map { key, entry, median in
      [
        "kernel": key, "count": entry.count, "algorithm": entry.algorithm, "seconds": median,
        "gflops": Double(entry.flops) / median / 1e9, "share_of_peak": Double(entry.flops) / median / 1e9 / peak,
      ] as [String: Any]
    }
    try options.write(figures)
    try StandardOutput.print(
      table(
        [["convolution, in -> out, kernel", "count", "algorithm", "ms", "GFLOP/s", "% of peak"]]
          + rows.map { key, entry, median in
            let rate = Double(entry.flops) / median / 1e9
            return [
              key, "\(entry.count)", entry.algorithm, fixed(median * 1e3), fixed(rate, 1), fixed(100 * rate / peak, 1),
            ]
          }))
    try StandardOutput.print(
      "counted directly: above 100% where tiles save products; peak of \(Library.instructionSet) \(fixed(peak, 1)) GFLOP/s"
    )
  }
}
