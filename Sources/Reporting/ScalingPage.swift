import Foundation
import Scaling

/// The page of a scaling report: one file that needs no network and no script, light or dark as its reader likes.
struct ScalingPage {
  private let report: ScalingReport
  private let plots: [String]

  init(_ report: ScalingReport, plots: [String]) { (self.report, self.plots) = (report, plots) }

  var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <link rel="icon" href="data:,">
    <title>How dmsnet scales</title>
    <style>
    :root { color-scheme: light dark; --ink: #222; --paper: #fff; --faint: #ddd }
    @media (prefers-color-scheme: dark) { :root { --ink: #ddd; --paper: #161616; --faint: #444 } }
    body { font: 15px/1.5 sans-serif; color: var(--ink); background: var(--paper); max-width: 72em; margin: 2em auto; padding: 0 1em }
    table { border-collapse: collapse; margin: 1em 0 } caption { text-align: left; font-weight: bold }
    th, td { padding: .2em .8em; border-bottom: 1px solid var(--faint); text-align: right; vertical-align: top }
    td { white-space: nowrap } th:first-child, td:first-child { text-align: left } .text td { text-align: left; white-space: normal }
    .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(26em, 1fr)); gap: 1.5em } .plots svg { width: 100% }
    code { overflow-wrap: anywhere } .wide { overflow-x: auto }
    </style>
    </head>
    <body>
    <h1>How dmsnet scales</h1>
    \(recommendation)
    <div class="plots">
    \(plots.joined())</div>
    \(series)
    \(bandwidth)
    \(projections)
    \(faults)
    \(setting)
    </body>
    </html>

    """
  }

  /// A number of bytes in words.
  static func bytes(_ count: Int) -> String { count < 1 << 20 ? "\(count >> 10) KiB" : "\(count >> 20) MiB" }

  /// A network in words.
  static func name(_ network: Network) -> String {
    String(format: "%g Gbit/s, %g µs", network.gigabitsPerSecond, network.latencySeconds * 1e6)
  }

  private func table(_ caption: String, _ header: [String], _ rows: [[String]], style: String = "") -> String {
    func line(_ cells: [String], _ tag: String) -> String {
      "<tr>" + cells.map { "<\(tag)>\($0)</\(tag)>" }.joined() + "</tr>"
    }
    return "<div class=\"wide\"><table\(style.isEmpty ? "" : " class=\"\(style)\"")><caption>\(caption)</caption>\n"
      + (header.isEmpty ? "" : line(header, "th") + "\n") + rows.map { line($0, "td") }.joined(separator: "\n")
      + "\n</table></div>\n"
  }

  private func interval(_ key: String, _ interval: Interval, digits: Int = 2) -> String {
    let mean = Figure("\(key).mean", interval.mean, digits: digits).html
    guard let low = interval.low, let high = interval.high else { return mean }
    return
      "\(mean) (\(Figure("\(key).low", low, digits: digits).html) to \(Figure("\(key).high", high, digits: digits).html))"
  }

  private var recommendation: String {
    report.series.enumerated().map { index, series in
      let what = "\(series.kind.rawValue) scaling, \(escaped(series.input)) input"
      guard let ranks = series.recommendedRanks, let threads = series.recommendedThreads else {
        return "<p>Recommended for \(what): none; no place exceeds an efficiency of 70%.</p>"
      }
      return "<p>Recommended for \(what): \(Figure("series.\(index).recommended_ranks", ranks).html) ranks of "
        + "\(Figure("series.\(index).recommended_threads", threads).html) threads, the last above 70% efficiency.</p>"
    }.joined(separator: "\n")
  }

  private var series: String {
    report.series.enumerated().map { index, series in
      let hasPeer = series.rows.contains { $0.baselinePairsPerSecond != nil }
      let rule = series.kind == .weak ? "pairs a thread stay the same" : "pairs a step stay the same"
      let name = "\(series.kind.rawValue) scaling, \(escaped(series.input)) input"
      let peer = hasPeer ? ["peer's pairs/s", "times as fast"] : []
      return table(
        "\(name): \(rule)",
        ["ranks x threads", "hosts", "pairs", "rounds", "step, s", "pairs/s", "without loss", "efficiency"] + peer,
        series.rows.enumerated().map { speed("series.\(index).rows.\($0)", $1, hasPeer: hasPeer) })
        + table(
          "\(name): shares of a step",
          ["ranks x threads", "compute", "update", "communication", "data", "imbalance", "core-hours an epoch"],
          series.rows.enumerated().map { shares("series.\(index).rows.\($0)", $1) })
    }.joined()
      + "<p>Brackets: 95% intervals by Student's t over rounds. Efficiency: pairs/s and core against the first place in the same round. "
      + "Steps are those of the main loop, without the start; times are medians of steps.</p>"
  }

  private func place(_ key: String, _ row: ScalingReport.Row) -> String {
    "\(Figure("\(key).ranks", row.ranks).html) x \(Figure("\(key).threads", row.threads).html)"
      + (row.isOversubscribed ? " oversubscribed" : "")
  }

  private func speed(_ key: String, _ row: ScalingReport.Row, hasPeer: Bool) -> [String] {
    let peer = [
      row.baselinePairsPerSecond.map { interval("\(key).baseline_pairs_per_second", $0) } ?? "",
      row.ratioToBaseline.map { interval("\(key).ratio_to_baseline", $0) } ?? "",
    ]
    return [
      place(key, row), Figure("\(key).hosts", row.hosts).html, Figure("\(key).pairs", row.pairs).html,
      Figure("\(key).rounds", row.rounds).html, Figure("\(key).step_seconds", row.stepSeconds, digits: 4).html,
      interval("\(key).pairs_per_second", row.pairsPerSecond),
      Figure("\(key).ideal_pairs_per_second", row.idealPairsPerSecond).html,
      interval("\(key).efficiency", row.efficiency, digits: 3),
    ] + (hasPeer ? peer : [])
  }

  private func shares(_ key: String, _ row: ScalingReport.Row) -> [String] {
    func share(_ name: String, _ value: Double) -> String { Figure("\(key).shares.\(name)", value, digits: 3).html }
    let shares = row.shares
    return [
      place(key, row), share("compute", shares.compute), share("update", shares.update),
      share("communication", shares.communication), share("data", shares.data), share("imbalance", shares.imbalance),
      Figure("\(key).core_hours_per_epoch", row.coreHoursPerEpoch, digits: 3).html,
    ]
  }

  private var bandwidth: String {
    report.bandwidth.enumerated().map { index, place in
      let key = "bandwidth.\(index)"
      return table(
        "All-reduce alone: \(Figure("\(key).ranks", place.ranks).html) ranks of \(Figure("\(key).threads", place.threads).html) threads on \(Figure("\(key).hosts", place.hosts).html) hosts",
        ["bytes", "seconds", "algorithm, GB/s", "bus, GB/s"],
        place.samples.enumerated().map { number, sample in
          let key = "\(key).samples.\(number)"
          return [
            Figure("\(key).bytes", sample.bytes).html, Figure("\(key).seconds", sample.seconds, digits: 6).html,
            Figure("\(key).algorithm_gb_per_second", sample.algorithmGbPerSecond).html,
            Figure("\(key).bus_gb_per_second", sample.busGbPerSecond).html,
          ]
        })
    }.joined()
  }

  private var projections: String {
    let tables = report.projections.enumerated().filter { !$0.element.rows.isEmpty }.map { index, projection in
      let key = "projections.\(index)"
      let network =
        "\(Figure("\(key).network.gigabits_per_second", projection.network.gigabitsPerSecond, digits: 1).html) Gbit/s a host, "
        + "\(Figure("\(key).network.latency_seconds", projection.network.latencySeconds, digits: 6).html) s a message"
      let measured =
        "\(Figure("\(key).measured_ranks", projection.measuredRanks).html) ranks on "
        + "\(Figure("\(key).measured_hosts", projection.measuredHosts).html) hosts, "
        + "\(Figure("\(key).measured_step_seconds", projection.measuredStepSeconds, digits: 4).html) s a step"
      return table(
        "Projection, \(projection.kind.rawValue) scaling: \(network); from \(measured)",
        ["hosts", "ranks", "pairs", "step, s", "waiting for the network, s", "pairs/s", "efficiency"],
        projection.rows.enumerated().map { number, row in
          let key = "\(key).rows.\(number)"
          return [
            Figure("\(key).hosts", row.hosts).html, Figure("\(key).ranks", row.ranks).html,
            Figure("\(key).pairs", row.pairs).html,
            Figure("\(key).step_seconds", row.stepSeconds, digits: 4).html,
            Figure("\(key).exposed_seconds", row.exposedSeconds, digits: 4).html,
            Figure("\(key).pairs_per_second", row.pairsPerSecond).html,
            Figure("\(key).efficiency", row.efficiency, digits: 3).html,
          ]
        })
    }
    return tables.joined()
  }

  private var faults: String {
    guard let first = report.faults.first else { return "" }
    return table(
      "Where a host fails every \(Figure("faults.0.hours_between_failures", first.hoursBetweenFailures, digits: 1).html) hours: checkpoints by Young and Daly; lost time by simulation",
      [
        "hosts", "failures a day", "seconds between checkpoints", "--checkpoint-every", "lost share", "at half",
        "at double",
      ],
      report.faults.enumerated().map { index, plan in
        let key = "faults.\(index)"
        return [
          Figure("\(key).hosts", plan.hosts).html,
          Figure("\(key).failures_per_day", plan.failuresPerDay, digits: 3).html,
          Figure("\(key).interval_seconds", plan.intervalSeconds, digits: 1).html,
          Figure("\(key).checkpoint_every", plan.checkpointEvery).html,
          Figure("\(key).lost_share", plan.lostShare, digits: 4).html,
          Figure("\(key).lost_share_at_half", plan.lostShareAtHalf, digits: 4).html,
          Figure("\(key).lost_share_at_double", plan.lostShareAtDouble, digits: 4).html,
        ]
      })
  }

  private var setting: String {
    let setting = report.setting
    let rows: [(String, String)] = [
      ("nodes", escaped(setting.nodes.joined(separator: ", "))), ("processor", escaped(setting.processor)),
      ("processors", Figure("setting.processors", setting.processors).html), ("MPI", escaped(setting.mpi)),
      ("transport", escaped(setting.transport)),
      (
        "binding: processors of each rank",
        escaped(setting.binding.enumerated().map { "rank \($0.offset) on \($0.element)" }.joined(separator: "; "))
      ),
      ("program", escaped("dmsnet \(setting.version)" + (setting.commit.map { ", commit \($0)" } ?? ""))),
      ("command", "<code>\(escaped(setting.command))</code>"),
      ("pairs of a micro-batch", Figure("setting.micro_batch", setting.microBatch).html),
      ("pairs of an epoch", Figure("setting.epoch_pairs", setting.epochPairs).html),
      ("seconds to start", Figure("setting.start_seconds", setting.startSeconds).html),
      (
        "seconds to write a checkpoint", Figure("setting.checkpoint_seconds", setting.checkpointSeconds, digits: 3).html
      ),
      (
        "of these, seconds that steps wait",
        Figure("setting.checkpoint_blocking_seconds", setting.checkpointBlockingSeconds, digits: 3).html
      ),
    ]
    return table("Setting", [], rows.map { [$0.0, $0.1] }, style: "text")
  }
}
