import Foundation
import Reporting
import Scaling
import Training

/// The folder of a scaling report: `points`, one file a measurement, and what is made of them.
struct ScalingFolder {
  private let path: String
  private var points: String { "\(path)/points" }

  /// The folder at `path`.
  init(_ path: String?) throws {
    guard let path, !path.isEmpty else { throw Failure(.usage, "--report DIR is missing") }
    self.path = path
  }

  /// A file that may be written and removed.
  var scratch: String { "\(path)/checkpoint-\(getpid()).part" }

  /// The first round that none of `points` has yet.
  func nextRound(_ points: [ScalingPoint]) -> Int {
    var points = points
    for round in 1... {
      for index in points.indices { points[index].round = round }
      if !points.contains(where: { FileManager.default.fileExists(atPath: file($0)) }) { return round }
    }
    return 1
  }

  private func file(_ point: ScalingPoint) -> String { "\(points)/\(point.name).json" }

  /// Makes the folder.
  func make() throws {
    do { try FileManager.default.createDirectory(atPath: points, withIntermediateDirectories: true) } catch {
      throw Failure(.output, "\(points): cannot be made")
    }
  }

  /// Adds a measurement.
  func add(_ point: ScalingPoint) throws {
    try AtomicFile.write(JSONEncoder.figures.encode(point), to: file(point))
  }

  /// Makes the report of all points.
  func makeReport(_ wish: ScalingReport.Wish) throws -> ScalingReport {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: points)) ?? []).sorted()
    let read = try names.filter { $0.hasSuffix(".json") }.map { name in
      let file = "\(points)/\(name)"
      guard let data = FileManager.default.contents(atPath: file) else {
        throw Failure(.missing, "\(file): unreadable")
      }
      guard let point = try? JSONDecoder.figures.decode(ScalingPoint.self, from: data), !point.stepSeconds.isEmpty
      else {
        throw Failure(.data, "\(file): not a measurement of this version")
      }
      return point
    }
    let baselines = try names.filter { $0.hasSuffix(".baseline") }.map { name in
      let file = "\(points)/\(name)"
      let text = String(decoding: FileManager.default.contents(atPath: file) ?? Data(), as: UTF8.self)
      guard let rate = Self.rate(text) else {
        throw Failure(.data, "\(file): its last line is neither a number nor JSON with pairs_per_second")
      }
      return (String(name.dropLast(".baseline".count)), rate)
    }
    guard let report = ScalingReport(read, baselines: Dictionary(baselines) { $1 }, wish) else {
      throw Failure(
        .missing, "\(points): no measurement",
        hint: "--weak PAIRS or --strong PAIRS measures; launch/scaling does so over a grid")
    }
    for (name, text) in try ReportFiles.all(report) { try AtomicFile.write(Data(text.utf8), to: "\(path)/\(name)") }
    return report
  }

  /// Pairs a second that a peer printed: its last line, a number or a JSON object with `pairs_per_second`.
  private static func rate(_ text: String) -> Double? {
    guard let line = text.split(separator: "\n").last(where: { !$0.allSatisfy(\.isWhitespace) }) else { return nil }
    let object = (try? JSONSerialization.jsonObject(with: Data(line.utf8))) as? [String: Any]
    let rate = object?["pairs_per_second"] as? Double ?? Double(line.trimmingCharacters(in: .whitespaces))
    return rate.flatMap { $0 > 0 && $0.isFinite ? $0 : nil }
  }
}
