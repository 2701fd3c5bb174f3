import Foundation
import FoundationXML
import Reporting
import Scaling
import Tensors
import Testing

/// The files of a report of drawn points.
struct ScalingReportFileTests {
  private func report(_ seed: Int) throws -> ScalingReport {
    var stream = CounterRandom(seed: UInt64(seed)).stream(.test)
    func draw() -> Double { Double(stream.uniform(0.01, 1)) }
    var points: [ScalingPoint] = []
    var baselines: [String: Double] = [:]
    for (series, ranks) in [(ScalingPoint.Series.weak, 1), (.weak, 2), (.weak, 4), (.strong, 1), (.strong, 2)] {
      for round in 1...3 {
        var point = ScalingPoint()
        (point.series, point.ranks, point.round, point.processors) = (series, ranks, round, 2)
        (point.pairs, point.microBatch, point.epochPairs) = (8 * ranks, 1, 3500)
        point.hosts = (0..<ranks).map { "node<\($0)>" }
        point.binding = (0..<ranks).map(String.init)
        (point.command, point.commit, point.processor, point.mpi) = ("a \"b\" & <c>", "abc", "EPYC", "Open MPI v4.1.4")
        if series == .strong { point.data = "ODIR, <all>" }
        point.stepSeconds = (0..<4).map { _ in draw() }
        (point.shares.compute, point.shares.update, point.shares.communication) = (draw(), draw(), draw())
        (point.shares.data, point.shares.imbalance) = (draw(), draw())
        (point.startSeconds, point.checkpointSeconds, point.checkpointBlockingSeconds) = (draw(), draw(), draw())
        var bucket = ScalingPoint.Bucket()
        (bucket.bytes, bucket.readySeconds) = (40_960_000, draw())
        point.buckets = [bucket]
        if ranks > 1 { point.allReduce = [4096, 1 << 22].map { .init(bytes: $0, seconds: draw()) } }
        points.append(point)
        if ranks == 2 { baselines[point.name] = draw() }
      }
    }
    var wish = ScalingReport.Wish()
    (wish.hosts, wish.hoursBetweenFailures) = ([1, 2, 8, 1024], 500)
    wish.networks = [
      Network(latencySeconds: 5e-5, gigabitsPerSecond: 1), Network(latencySeconds: 2e-6, gigabitsPerSecond: 100),
    ]
    return try #require(ScalingReport(points, baselines: baselines, wish))
  }

  private func files(_ seed: Int) throws -> [String: String] {
    Dictionary(uniqueKeysWithValues: try ReportFiles.all(report(seed)).map { ($0.name, $0.text) })
  }

  /// The number at `key` of the JSON.
  private func number(_ key: Substring, in json: Any) -> Double? {
    var value: Any? = json
    for part in key.split(separator: ".") {
      value =
        Int(part).map { index in (value as? [Any]).flatMap { $0.indices.contains(index) ? $0[index] : nil } }
        ?? (value as? [String: Any])?[String(part)]
    }
    return value as? Double
  }

  /// Whether two numbers are the same but for the last bits, which JSONSerialization loses when it reads.
  private func agree(_ a: Double?, _ b: Double?) -> Bool {
    guard let a, let b else { return false }
    return abs(a - b) <= 4 * max(abs(a), abs(b)).ulp
  }

  /// Every number of the page, in its tables and its plots, is the JSON's; no number of a table is anything else.
  @Test(arguments: 0..<5)
  func pageAndJSONSayTheSame(_ seed: Int) throws {
    let files = try files(seed)
    let page = try #require(files["scaling.html"])
    let json = try JSONSerialization.jsonObject(with: Data(#require(files["scaling.json"]).utf8))
    var count = 0
    for match in page.matches(of: #/<data value="([^"]*)" data-key="([^"]*)">([^<]*)</data>/#) {
      let value = try #require(Double(match.1))
      #expect(agree(number(match.2, in: json), value), "seed \(seed): \(match.2)")
      let digits = match.3.split(separator: ".").dropFirst().first?.count ?? 0
      #expect(String(format: "%.\(digits)f", value) == match.3, "seed \(seed): \(match.2)")
      count += 1
    }
    #expect(count > 150)
    var marks: [String: Int] = [:]
    for match in page.matches(of: #/data-key="([^"]*)" data-value="([^"]*)"/#) {
      #expect(agree(number(match.1, in: json), Double(match.2)), "seed \(seed): \(match.1)")
      let kind = match.1.split(separator: ".").filter { Int($0) == nil }.joined(separator: ".")
      marks[kind, default: 0] += 1
    }
    // A mark for each of five places, for four hosts on each of two networks, and for each measured all-reduce.
    let perPlace =
      ["pairs_per_second.mean", "efficiency.mean"]
      + ["compute", "update", "communication", "data", "imbalance"].map { "shares.\($0)" }
    var expected = Dictionary(uniqueKeysWithValues: perPlace.map { ("series.rows.\($0)", 5) })
    let bandwidth = try #require((json as? [String: Any])?["bandwidth"] as? [[String: Any]])
    let samples = bandwidth.reduce(0) { $0 + (($1["samples"] as? [Any])?.count ?? 0) }
    #expect(samples > 0)
    expected["bandwidth.samples.bus_gb_per_second"] = samples
    expected["projections.rows.efficiency"] = 4 * 2
    #expect(marks == expected, "seed \(seed)")
    for cell in page.matches(of: #/<td>(.*?)</td>/#) {
      let rest = cell.1.replacing(#/<data.*?</data>/#, with: "")
      let isText = ["node", "EPYC", "Open MPI", "dmsnet", "<code>"].contains { rest.contains($0) }
      #expect(isText || !rest.contains(#/[0-9]/#), "\(rest)")
    }
  }

  /// One file: nothing is fetched, nothing runs.
  @Test func thePageStandsAlone() throws {
    let page = try #require(files(1)["scaling.html"])
    for word in ["<script", "src=", "@import", "url("] { #expect(!page.contains(word), "\(word)") }
    let links = page.matches(of: #/(?:href|http)[^ >]*/#).map { String($0.0) }
    #expect(Set(links) == ["href=\"data:,\"", "http://www.w3.org/2000/svg\""])
    #expect(page.contains("prefers-color-scheme") && page.contains("a &quot;b&quot; &amp; &lt;c&gt;"))
    #expect(page.contains("oversubscribed"))
  }

  @Test func plotsAreWellFormed() throws {
    let plots = try files(2).filter { $0.key.hasSuffix(".svg") }
    #expect(
      plots.keys.sorted() == ["allreduce.svg", "efficiency.svg", "projection.svg", "shares.svg", "throughput.svg"])
    for (name, text) in plots {
      let parser = XMLParser(data: Data(text.utf8))
      #expect(parser.parse(), "\(name): \(String(describing: parser.parserError))")
      // Everything lies on the drawing.
      for match in text.matches(of: #/ (?:cx|cy|x|y|x1|y1|x2|y2|width|height)="([^"]*)"/#) {
        #expect((0...2000).contains(try #require(Double(match.1))), "\(name): \(match.0)")
      }
    }
  }

  @Test func theTableHasALineAPlace() throws {
    let table = try #require(files(3)["scaling.csv"])
    let lines = table.split(separator: "\n")
    let report = try report(3)
    #expect(lines.count == 1 + report.series.reduce(0) { $0 + $1.rows.count })
    let columns = lines[0].split(separator: ",").count
    #expect(lines[1].split(separator: ",", omittingEmptySubsequences: false).count == columns)
    #expect(lines.last?.contains("\"ODIR, <all>\"") == true)
    #expect(lines[1].contains("\(report.series[0].rows[0].pairsPerSecond.mean)"))
  }

  @Test func axesReachBeyondTheirValues() {
    for seed in 0..<100 {
      var stream = CounterRandom(seed: UInt64(seed)).stream(.test)
      let values = (0..<5).map { _ in pow(10, Double(stream.uniform(-6, 6))) }
      let axis = Axis(values)
      #expect((2...14).contains(axis.ticks.count), "seed \(seed): \(axis.ticks)")
      #expect(axis.ticks[axis.ticks.count - 1].value >= (values.max() ?? 0) * 0.999, "seed \(seed)")
      let places = values.sorted().map(axis.place)
      #expect(places == places.sorted() && places.allSatisfy { (0...1).contains($0) }, "seed \(seed)")
    }
    #expect(Axis([]).ticks.count >= 2)
  }
}
