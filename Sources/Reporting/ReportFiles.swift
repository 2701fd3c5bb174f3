import Foundation
import Scaling

/// The files of a scaling report, beside the points it is made of.
package enum ReportFiles {
  /// Texts by name.
  package static func all(_ report: ScalingReport) throws -> [(name: String, text: String)] {
    let plots = ScalingPlots(report).all
    return [
      ("scaling.json", String(decoding: try JSONEncoder.figures.encode(report), as: UTF8.self) + "\n"),
      ("scaling.csv", csv(report)), ("scaling.html", ScalingPage(report, plots: plots.map(\.svg)).html),
    ] + plots.map { ("\($0.name).svg", $0.svg) }
  }

  /// A line a place of the grid.
  private static func csv(_ report: ScalingReport) -> String {
    let header =
      "series,input,hosts,ranks,threads,cores,oversubscribed,pairs,rounds,step_seconds,pairs_per_second,pairs_per_second_low,"
      + "pairs_per_second_high,ideal_pairs_per_second,efficiency,efficiency_low,efficiency_high,compute,communication,data,"
      + "imbalance,update,core_hours_per_epoch,baseline_pairs_per_second,ratio_to_baseline"
    func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
    let lines = report.series.flatMap { series in
      series.rows.map { row in
        let whole = [row.hosts, row.ranks, row.threads, row.cores].map(String.init)
        let numbers: [Double?] = [
          row.stepSeconds, row.pairsPerSecond.mean, row.pairsPerSecond.low, row.pairsPerSecond.high,
          row.idealPairsPerSecond,
          row.efficiency.mean, row.efficiency.low, row.efficiency.high, row.shares.compute, row.shares.communication,
          row.shares.data, row.shares.imbalance, row.shares.update, row.coreHoursPerEpoch,
          row.baselinePairsPerSecond?.mean,
          row.ratioToBaseline?.mean,
        ]
        let input =
          series.input.contains(where: { ",\"\n\r".contains($0) })
          ? "\"\(series.input.replacing("\"", with: "\"\""))\"" : series.input
        return
          ([series.kind.rawValue, input] + whole
          + [row.isOversubscribed ? "yes" : "no", "\(row.pairs)", "\(row.rounds)"] + numbers.map(text))
          .joined(separator: ",")
      }
    }
    return ([header] + lines).joined(separator: "\n") + "\n"
  }
}
