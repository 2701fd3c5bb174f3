import Foundation
import Testing

/// `launch/train`, which people start ranks with.
@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct LaunchTests {
  private let script =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path + "/launch/train"

  private func start(_ arguments: [String], errors: FileHandle) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["bash", script] + arguments
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// A rank that is killed ends the job, which goes on by itself from the newest checkpoint, to the weights of a run that nobody
  /// killed; what another try does not change is not tried again.
  @Test func aFailedRunGoesOnByItself() throws {
    let place = try Place()
    let data = try place.data()
    let log = "\(place.path)/errors.log"
    try Data().write(to: URL(fileURLWithPath: log))
    let options = ["--data", data, "--epochs", "40", "--checkpoint-every", "5", "--schedule", "constant"] + tiny
    let process = try start(
      ["--restarts", "2", "2", "1", "--output", "\(place.path)/run"] + options,
      errors: try #require(FileHandle(forWritingAtPath: log)))
    while place.steps("run") < 12 && process.isRunning { usleep(500) }
    let steps = place.steps("run")
    _ = try Process.run(
      URL(fileURLWithPath: "/usr/bin/env"),
      arguments: ["pkill", "-9", "-n", "-f", "^[^ ]*dmsnet train.*\(place.path)/run"]
    ).waitUntilExit()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0 && steps < 200, "\(place.text("errors.log"))")
    #expect(place.text("errors.log").contains("start 1 of 2 again, on 2 ranks"), "\(place.text("errors.log"))")
    #expect(place.text("errors.log").contains("goes on from step"))
    let whole = try Command.run(["train", "--output", "\(place.path)/whole"] + options)
    #expect(whole.code == 0)
    #expect(
      place.bytes("run/checkpoints/last/model.safetensors") == place.bytes("whole/checkpoints/last/model.safetensors"))

    let refused = try start(
      ["--restarts", "2", "1", "1", "--data", data, "--output", "\(place.path)/none", "--clip", "inf"],
      errors: try #require(FileHandle(forWritingAtPath: log)))
    refused.waitUntilExit()
    #expect(refused.terminationStatus == 64)
  }

  /// A grid is measured in rounds, every second one backwards, with a peer beside it; places beyond the cores are marked.
  @Test func aGridIsMeasured() throws {
    let place = try Place()
    let cores = ProcessInfo.processInfo.activeProcessorCount
    func run(_ arguments: [String]) throws -> (code: Int32, errors: String) {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["bash", script.replacing("launch/train", with: "launch/scaling")] + arguments
      let errors = Pipe()
      (process.standardError, process.standardOutput) = (errors, FileHandle.nullDevice)
      try process.run()
      let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      return (process.terminationStatus, text)
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
    #expect(done.code == 0, "\(done.errors)")
    let order = done.errors.split(separator: "\n").filter { $0.hasPrefix("round") }.map { $0.split(separator: ":")[1] }
    #expect(order == [" 1 ranks of 1 threads", " \(cores + 1) ranks of 1 threads"] + order.prefix(2).reversed())
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
    ] {
      #expect(try run(wrong).code == 64, "\(wrong)")
    }
    let mute = try run(["--baseline", "echo soon", "1", "1x1", "--report", report, "--weak", "1"] + network)
    #expect(mute.code == 65 && mute.errors.contains("neither a number"), "\(mute.errors)")
  }
}
