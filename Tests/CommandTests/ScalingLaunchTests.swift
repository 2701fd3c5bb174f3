import Foundation
import Testing

/// `launch/scaling`, as people run it.
@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct ScalingLaunchTests {
  private let script =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path + "/launch/scaling"

  /// A grid is measured in rounds, every second one backwards, with a peer beside it; places beyond the cores are marked.
  @Test func aGridIsMeasured() throws {
    let place = try Place()
    let cores = ProcessInfo.processInfo.activeProcessorCount
    // All that is said goes into one file, as of a job.
    func run(_ arguments: [String]) throws -> (code: Int32, log: String) {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["bash", script] + arguments
      try Data().write(to: URL(fileURLWithPath: "\(place.path)/log"))
      let log = try #require(FileHandle(forWritingAtPath: "\(place.path)/log"))
      (process.standardError, process.standardOutput) = (log, log)
      try process.run()
      process.waitUntilExit()
      return (process.terminationStatus, place.text("log"))
    }
    let network = [
      "--depth", "18", "--stem", "8", "--width", "32", "--embedding", "16", "--size", "64", "--micro-batch", "1",
      "--steps",
      "1",
    ]
    let report = "\(place.path)/report"
    let peer = #"echo "$DMSNET_RANKS ranks, $DMSNET_THREADS threads"; echo "{\"pairs_per_second\": $DMSNET_PAIRS.5}""#
    let done = try run(
      ["--baseline", peer, "2", "1x1,\(cores + 1)x1", "--report", report, "--weak", "1", "--strong", "\(cores + 1)"]
        + network)
    #expect(done.code == 0, "\(done.log)")
    let order = done.log.split(separator: "\n").filter { $0.hasPrefix("round") }.map { $0.split(separator: ":")[1] }
    let forth: [Substring] = [1, cores + 1].map { " \($0) ranks of 1 threads on 1 hosts" }
    #expect(order == forth + forth.reversed())
    #expect(done.log.contains("weak, synthetic"), "\(done.log)")
    let object = try JSONSerialization.jsonObject(with: #require(place.bytes("report/scaling.json"))) as? [String: Any]
    let series = try #require(object?["series"] as? [[String: Any]])
    #expect(series.compactMap { $0["kind"] as? String } == ["weak", "strong"])
    let rows = series.flatMap { $0["rows"] as? [[String: Any]] ?? [] }
    #expect(rows.compactMap { $0["is_oversubscribed"] as? Bool } == [false, true, false, true])
    #expect(rows.allSatisfy { $0["rounds"] as? Int == 2 })
    let peers = rows.compactMap { ($0["baseline_pairs_per_second"] as? [String: Double])?["mean"] }
    #expect(peers == [1, cores + 1, cores + 1, cores + 1].map { Double($0) + 0.5 })
    let command = (object?["setting"] as? [String: Any])?["command"] as? String
    #expect(command?.hasPrefix("launch/scaling --baseline") == true)

    for wrong in [
      [], ["two", "1x1", "--report", report, "--weak", "1"], ["1", "1x0", "--report", report, "--weak", "1"],
      ["1", "2x1x2", "--report", report, "--weak", "1"], ["1", "1x1", "--weak", "1", "--steps"],
    ] {
      #expect(try run(wrong).code == 64, "\(wrong)")
    }
    let mute = try run(["--baseline", "echo soon", "1", "1x1", "--report", report, "--weak", "1"] + network)
    #expect(mute.code == 65 && mute.log.contains("neither a number"), "\(mute.log)")
  }
}
