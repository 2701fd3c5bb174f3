import Scaling

/// The plots of a scaling report, each an SVG.
struct ScalingPlots {
  private let report: ScalingReport

  init(_ report: ScalingReport) { self.report = report }

  /// By the file's name without its ending; those that have something to show.
  var all: [(name: String, svg: String)] {
    var result = [("throughput", throughput), ("efficiency", efficiency), ("shares", shares)]
    if !report.bandwidth.isEmpty { result.append(("allreduce", bandwidth)) }
    if report.projections.contains(where: { !$0.rows.isEmpty }) { result.append(("projection", projection)) }
    return result.map { ($0, $1) }
  }

  /// What people call a place of the grid.
  static func name(_ row: ScalingReport.Row) -> String {
    (row.hosts > 1 ? "\(row.hosts)h " : "") + "\(row.ranks)x\(row.threads)" + (row.isOversubscribed ? "*" : "")
  }

  private static func name(_ series: ScalingReport.Series) -> String {
    series.input == "synthetic" ? series.kind.rawValue : "\(series.kind.rawValue), \(series.input)"
  }

  /// All places of all series, in order of their cores.
  private var places: [String] {
    var names: [String] = []
    let rows = report.series.flatMap(\.rows).sorted { ($0.cores, $0.ranks, $0.hosts) < ($1.cores, $1.ranks, $1.hosts) }
    for row in rows where !names.contains(Self.name(row)) { names.append(Self.name(row)) }
    return names
  }

  private func lines(
    _ path: KeyPath<ScalingReport.Row, Interval>, _ key: String, ideal: ((ScalingReport.Row) -> Double)? = nil
  ) -> [LinePlot.Line] {
    let places = places
    return report.series.enumerated().map { index, series in
      let rows = series.rows.enumerated().compactMap { number, row in
        places.firstIndex(of: Self.name(row)).map { (number: number, row: row, place: $0) }
      }
      return LinePlot.Line(
        name: Self.name(series),
        points: rows.map { number, row, place in
          let interval = row[keyPath: path]
          return LinePlot.Point(
            place: place, figure: Figure("series.\(index).rows.\(number).\(key).mean", interval.mean),
            low: interval.low, high: interval.high, isOpen: row.isOversubscribed)
        },
        ideal: ideal.map { ideal in rows.map { ($0.place, ideal($0.row)) } } ?? [])
    }
  }

  private var throughput: String {
    LinePlot(
      title: "Pairs a second", unit: "pairs/s; dashed: without loss; ranks x threads, * oversubscribed", places: places,
      lines: lines(\.pairsPerSecond, "pairs_per_second") { $0.idealPairsPerSecond }
    ).svg
  }

  private var efficiency: String {
    LinePlot(
      title: "Efficiency", unit: "of the first place's pairs/s and core; bars: 95% intervals over rounds; dotted: 0.7",
      places: places, lines: lines(\.efficiency, "efficiency"), limit: ScalingReport.threshold
    ).svg
  }

  private var shares: String {
    let parts: [(name: String, key: String, path: KeyPath<ScalingPoint.Shares, Double>)] = [
      ("compute", "compute", \.compute), ("update", "update", \.update),
      ("communication", "communication", \.communication),
      ("data", "data", \.data), ("imbalance", "imbalance", \.imbalance),
    ]
    return StackedBars(
      title: "Where a step's time goes", parts: parts.map(\.name),
      bars: report.series.enumerated().flatMap { index, series in
        series.rows.enumerated().map { number, row in
          StackedBars.Bar(
            name: "\(Self.name(series)) \(Self.name(row))",
            figures: parts.map {
              Figure("series.\(index).rows.\(number).shares.\($0.key)", row.shares[keyPath: $0.path], digits: 3)
            })
        }
      }
    ).svg
  }

  private var bandwidth: String {
    let sizes = Set(report.bandwidth.flatMap { $0.samples.map(\.bytes) }).sorted()
    return LinePlot(
      title: "Bus bandwidth of the all-reduce", unit: "GB/s", places: sizes.map(ScalingPage.bytes),
      lines: report.bandwidth.enumerated().map { index, place in
        LinePlot.Line(
          name: "\(place.hosts > 1 ? "\(place.hosts) hosts, " : "")\(place.ranks) ranks",
          points: place.samples.enumerated().compactMap { number, sample in
            sizes.firstIndex(of: sample.bytes).map {
              LinePlot.Point(
                place: $0,
                figure: Figure("bandwidth.\(index).samples.\(number).bus_gb_per_second", sample.busGbPerSecond))
            }
          })
      }
    ).svg
  }

  private var projection: String {
    let hosts = Set(report.projections.flatMap { $0.rows.map(\.hosts) }).sorted()
    return LinePlot(
      title: "Projected efficiency", unit: "pairs/s and host, of those measured; over hosts",
      places: hosts.map(String.init),
      lines: report.projections.enumerated().map { index, projection in
        LinePlot.Line(
          name: "\(projection.kind.rawValue), \(ScalingPage.name(projection.network))",
          points: projection.rows.enumerated().compactMap { number, row in
            hosts.firstIndex(of: row.hosts).map {
              LinePlot.Point(
                place: $0, figure: Figure("projections.\(index).rows.\(number).efficiency", row.efficiency))
            }
          })
      }, limit: ScalingReport.threshold
    ).svg
  }
}
