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
    process.environment = ProcessInfo.processInfo.environment.merging(["DMSNET_PROGRAM": "\(products)/dmsnet"]) { $1 }
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
      arguments: ["pkill", "-9", "-n", "-f", "^([^ ]*/ld[^ ]* )?[^ ]*dmsnet train.*\(place.path)/run"]
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

  @Test(arguments: [
    ([], "arguments are missing"), (["two", "1", "--data"], "RANKS is 'two'"),
    (["2", "0", "--data"], "THREADS is '0'"),
    (["2", "1.5", "--data"], "THREADS is '1.5'"), (["--restarts", "many", "1", "1", "x"], "--restarts is 'many'"),
    (["--restarts"], "--restarts is ''"),
  ])
  func wrongArgumentsGetALine(_ arguments: [String], _ what: String) throws {
    let place = try Place()
    let log = "\(place.path)/errors.log"
    try Data().write(to: URL(fileURLWithPath: log))
    let refused = try start(arguments, errors: try #require(FileHandle(forWritingAtPath: log)))
    refused.waitUntilExit()
    let lines = place.text("errors.log").split(separator: "\n")
    #expect(refused.terminationStatus == 64 && lines.count <= 2, "\(lines)")
    #expect(lines.first.map { $0.hasPrefix("dmsnet: error: ") && $0.contains(what) } == true, "\(lines)")
  }

  /// Each signal that asks to stop, from before anything has begun to the middle of the run: 75, hardly a line of the launcher's, and
  /// the resumed run ends with the weights of one that nobody stopped.
  @Test(
    arguments: [
      (SIGINT, 300), (SIGTERM, 0), (SIGTERM, 60), (SIGTERM, 900), (SIGHUP, 200), (SIGUSR1, 30), (SIGXCPU, 500),
    ] as [(Int32, UInt32)])
  func aSignalStopsTheRunInGoodOrder(_ signal: Int32, _ delay: UInt32) throws {
    let place = try Place()
    let data = try place.data()
    let log = "\(place.path)/errors.log"
    try Data().write(to: URL(fileURLWithPath: log))
    let options = ["--data", data, "--epochs", "12", "--schedule", "constant"] + tiny
    let process = try start(
      ["2", "1", "--output", "\(place.path)/run"] + options, errors: try #require(FileHandle(forWritingAtPath: log)))
    // The shell must have read its first lines: before, the signal ends it, and nothing has begun.
    usleep(100_000 + delay * 1000)
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    let said = place.text("errors.log")
    #expect(process.terminationReason == .exit && [75, 0].contains(process.terminationStatus), "\(said)")
    #expect(!said.contains("mpirun") && !said.contains("ORTE") && !said.contains("-----"), "\(said)")
    if process.terminationStatus == 75, place.exists("run/config.yaml") {
      #expect(try Command.run(["train", "--output", "\(place.path)/run", "--resume"]).code == 0)
      let whole = try Command.run(["train", "--output", "\(place.path)/whole"] + options)
      #expect(whole.code == 0)
      #expect(
        place.bytes("run/checkpoints/last/model.safetensors") == place.bytes("whole/checkpoints/last/model.safetensors")
      )
    }
  }
}
