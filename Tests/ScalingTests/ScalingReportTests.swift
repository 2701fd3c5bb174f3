import Foundation
import Scaling
import Testing

/// Points of steps that take `seconds`, and what is made of them.
struct ScalingReportTests {
  private func point(
    _ ranks: Int, _ threads: Int = 1, round: Int = 1, seconds: [Double], processors: Int = 2,
    series: ScalingPoint.Series = .weak
  ) -> ScalingPoint {
    var point = ScalingPoint()
    (point.series, point.ranks, point.threads, point.round) = (series, ranks, threads, round)
    (point.stepSeconds, point.processors, point.epochPairs) = (seconds, processors, 3600)
    point.pairs = series == .weak ? 4 * ranks * threads : 8
    point.hosts = Array(repeating: "node", count: ranks)
    point.binding = (0..<ranks).map(String.init)
    (point.shares.compute, point.shares.communication) = (3, 1)
    return point
  }

  /// Known values: the mean of 1, 2, 3 and 4 +- t(3) times the standard error.
  @Test func intervalsAreStudents() throws {
    let interval = Interval([1, 2, 3, 4])
    let half: Double = 3.182 * 1.2909944 / 2
    let (low, high) = (try #require(interval.low), try #require(interval.high))
    #expect(interval.mean == 2.5)
    #expect(abs(2.5 - half - low) < 1e-4)
    #expect(abs(2.5 + half - high) < 1e-4)
    #expect(Interval([7]) == Interval([7]) && Interval([7]).low == nil)
  }

  @Test func efficiencyIsAgainstTheFirstPlaceOfTheSameRound() throws {
    // The second round met a machine of half the speed: both places did.
    let points = [
      point(1, round: 1, seconds: [1, 9, 1]), point(1, round: 2, seconds: [2, 2, 2]),
      point(2, round: 1, seconds: [1.25]),
      point(2, round: 2, seconds: [2.5]), point(4, round: 1, seconds: [1]), point(4, round: 2, seconds: [2]),
    ]
    let report = try #require(ScalingReport(points, baselines: ["weak-synthetic-1x2x1-1": 3.2], .init()))
    let rows = try #require(report.series.first).rows
    #expect(report.series.count == 1 && rows.map(\.ranks) == [1, 2, 4])
    #expect(rows[0].efficiency.mean == 1)
    #expect(abs(rows[1].efficiency.mean - 0.8) < 1e-12)
    #expect(abs(try #require(rows[1].efficiency.low) - 0.8) < 1e-12)
    #expect(rows[0].pairsPerSecond.mean == 3 && rows[1].idealPairsPerSecond == 6)
    #expect(rows[0].coreHoursPerEpoch == 1 / 3.0)
    #expect(rows[1].ratioToBaseline?.mean == 2 && rows[0].ratioToBaseline == nil)
    #expect(rows[1].shares.compute == 0.75 && rows[1].shares.total == 1)
    // Four ranks are the fastest, but on two processors.
    #expect(rows[2].isOversubscribed && !rows[1].isOversubscribed)
    #expect(report.series[0].recommendedRanks == 2)
  }

  @Test func nothingIsRecommendedWithoutReason() throws {
    let slow = [point(2, seconds: [1]), point(4, seconds: [3], processors: 8)]
    let report = try #require(ScalingReport(slow, baselines: [:], .init()))
    #expect(report.series[0].recommendedRanks == 2)
    let over = [point(4, seconds: [1], processors: 2)]
    #expect(try #require(ScalingReport(over, baselines: [:], .init())).series[0].recommendedRanks == nil)
    #expect(ScalingReport([], baselines: [:], .init()) == nil)
  }

  @Test func seriesAndInputsStayApart() throws {
    var data = point(1, seconds: [2])
    data.data = "ODIR"
    let points = [point(1, seconds: [1]), point(1, seconds: [1], series: .strong), data]
    let report = try #require(ScalingReport(points, baselines: [:], .init()))
    #expect(
      report.series.map { "\($0.kind.rawValue) \($0.input)" } == ["weak synthetic", "weak ODIR", "strong synthetic"])
    #expect(Set(points.map(\.name)).count == 3)
  }

  @Test func pointsSurviveTheirFile() throws {
    var point = point(3, 2, seconds: [0.1, 0.2])
    point.allReduce = [.init(bytes: 4096, seconds: 1e-5)]
    point.buckets = [.init(), .init()]
    let data = try JSONEncoder.figures.encode(point)
    let text = String(decoding: data, as: UTF8.self)
    #expect(text.contains("\"step_seconds\"") && text.contains("\"ready_seconds\""))
    #expect(try JSONEncoder.figures.encode(JSONDecoder.figures.decode(ScalingPoint.self, from: data)) == data)
  }

  @Test func ratesOfAnAllReduce() {
    let rate = AllReduceRate(bytes: 4_000_000, seconds: 0.001, ranks: 4)
    #expect(abs(rate.algorithm - 4) < 1e-12 && abs(rate.bus - 6) < 1e-12)
  }
}
