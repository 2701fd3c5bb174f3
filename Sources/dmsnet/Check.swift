import ArgumentParser
import Foundation
import Training

/// Compares the engine with parity fixtures of the reference.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Compare the engine with parity fixtures.")

  @Argument(help: "Fixtures written by make_fixture.py.")
  var fixtures: [String]

  @Option(help: "Threads.")
  var threads = 1

  @Flag(help: "Print every comparison.")
  var verbose = false

  func run() throws {
    try require(threads, in: Limits.threads, "--threads")
    var failed = 0
    for path in fixtures {
      let comparisons = try ParityFixture(path: path).compare(threads: threads)
      let missed = comparisons.filter { !$0.holds }
      for item in verbose ? comparisons : missed {
        try StandardOutput.print(
          "  \(item.holds ? "ok  " : "MISS") \(item.name.escaped()): \(number(item.error)), bar \(number(item.bar))")
      }
      let worst = comparisons.max { $0.error / $0.bar < $1.error / $1.bar }
      let summary = worst.map { "worst \($0.name) at \(number($0.error)) of \(number($0.bar))" } ?? ""
      try StandardOutput.print(
        "\(missed.isEmpty ? "ok  " : "MISS") \(path.escaped()): \(comparisons.count) comparisons, \(missed.count) missed, \(summary)"
      )
      failed += missed.isEmpty ? 0 : 1
    }
    if failed > 0 { throw Failure(.run, "\(failed) of \(fixtures.count) fixtures missed their bars") }
  }

  private func number(_ value: Double) -> String { String(format: "%.1e", value) }
}
