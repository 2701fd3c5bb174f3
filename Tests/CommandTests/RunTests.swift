import Crypto
import Foundation
import Testing

@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct RunTests {
  private func sum(_ place: Place, _ run: String) throws -> String {
    let bytes = try #require(place.bytes("\(run)/checkpoints/last/model.safetensors"))
    return SHA256.hash(data: bytes).description
  }

  /// A run leaves what it should; its checkpoint evaluates to the same bytes on any ranks and threads.
  @Test func aRunLeavesItsFilesAndEvaluatesTheSameEverywhere() throws {
    let place = try Place()
    let data = try place.data(patients: 40, format: "xlsx")
    let run = place.path + "/run"
    let trained = try Command.run(
      [
        "train", "--data", data, "--output", run, "--epochs", "2", "--ema", "0.9", "--without", "osim", "--without",
        "ciam",
      ] + tiny, ranks: 2)
    #expect(trained.code == 0, "\(trained.errors)")
    for name in [
      "config.yaml", "environment.json", "split.csv", "metrics.jsonl", "metrics.json", "predictions.csv", "log.txt",
      "checkpoints/last/model.safetensors", "checkpoints/best/state.json", "checkpoints/last/ema.safetensors",
      "checkpoints/last/optimizer.safetensors",
    ] { #expect(place.exists("run/\(name)"), "\(name)") }
    #expect(place.steps("run") == 16)
    #expect(trained.errors.contains("all negative"))

    var results: [[Data?]] = []
    for (ranks, threads) in [(1, 1), (2, 1), (3, 1), (1, 2), (2, 3)] {
      let name = "evaluation-\(ranks)-\(threads)"
      let done = try Command.run(
        [
          "evaluate", "--checkpoint", run, "--data", data, "--output", "\(place.path)/\(name)", "--threads",
          "\(threads)",
        ], ranks: ranks)
      #expect(done.code == 0, "\(done.errors)")
      results.append(["metrics.json", "predictions.csv"].map { place.bytes("\(name)/\($0)") })
    }
    #expect(results[0].allSatisfy { $0 != nil } && results.allSatisfy { $0 == results[0] })
    #expect(results[0][1] == place.bytes("run/predictions.csv"))
    let metrics = try JSONSerialization.jsonObject(with: try #require(results[0][0])) as? [String: Any]
    #expect(metrics?["kappa"] is Double && metrics?["intervals"] is [String: Any] && metrics?["model"] is [String: Any])

    let pair = try Command.run([
      "predict", "--checkpoint", run, "--json", data + "/images/0_left.jpg", data + "/images/0_right.jpg",
    ])
    let answer = try JSONSerialization.jsonObject(with: Data(pair.output.utf8)) as? [String: Any]
    #expect((answer?["probabilities"] as? [String: Double])?.count == 8)
  }

  /// Killed in the middle, resumed, and in the end the same weights to the last bit.
  @Test(arguments: isLong ? [2, 5, 6, 9, 10, 11, 14, 15, 17] : [6, 10])
  func aKilledRunResumesToTheSameWeights(_ step: Int) throws {
    let place = try Place()
    let data = try place.data()
    func arguments(_ run: String) -> [String] {
      [
        "train", "--data", data, "--output", "\(place.path)/\(run)", "--epochs", "4", "--checkpoint-every", "3",
        "--ema", "0.9",
      ] + tiny
    }
    #expect(try Command.run(arguments("whole"), ranks: 2).code == 0)
    let process = try Command.start(arguments("killed"), ranks: 2)
    while place.steps("killed") < step && process.isRunning { usleep(500) }
    let wasRunning = process.isRunning
    Command.killAll(below: place.path)
    process.waitUntilExit()
    #expect(wasRunning && place.steps("killed") < 20)
    let resumed = try Command.run(arguments("killed") + ["--resume"], ranks: 2)
    #expect(resumed.code == 0, "\(resumed.errors)")
    #expect(try sum(place, "killed") == sum(place, "whole"))
    #expect(place.steps("killed") == 20)
  }

  /// SIGTERM asks for a checkpoint; the run exits with 75 and goes on from there to the same weights.
  @Test func aSignalStopsWithACheckpoint() throws {
    let place = try Place()
    let data = try place.data()
    func arguments(_ run: String) -> [String] {
      ["train", "--data", data, "--output", "\(place.path)/\(run)", "--epochs", "40"] + tiny
    }
    let process = try Command.start(arguments("stopped"))
    while place.steps("stopped") < 7 && process.isRunning { usleep(500) }
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationStatus == 75)
    let stopped = place.steps("stopped")
    #expect(stopped >= 7 && stopped < 200)
    #expect(try Command.run(["train", "--output", "\(place.path)/stopped", "--resume"]).code == 0)
    #expect(place.steps("stopped") == 200)
    #expect(try Command.run(arguments("whole")).code == 0)
    #expect(try sum(place, "stopped") == sum(place, "whole"))
  }

  /// A full disk ends the run with 74 and leaves the last whole checkpoint.
  @Test func aFullDiskLosesNothing() throws {
    let place = try Place()
    let data = try place.data()
    let disk = place.path + "/disk"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    let mount = try Process.run(
      URL(fileURLWithPath: "/usr/bin/env"), arguments: ["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", disk])
    mount.waitUntilExit()
    guard mount.terminationStatus == 0 else { return print("skipped: a tmpfs cannot be mounted here") }
    defer { _ = try? Process.run(URL(fileURLWithPath: "/usr/bin/env"), arguments: ["umount", disk]).waitUntilExit() }
    let result = try Command.run(
      ["train", "--data", data, "--output", disk + "/run", "--epochs", "9", "--keep", "9"] + tiny)
    #expect(result.code == 74 && result.errorLines.count == 1, "\(result.errors)")
    #expect(result.errors.contains("No space left on device"))
    let left = try FileManager.default.contentsOfDirectory(atPath: disk + "/run/checkpoints")
    #expect(!left.contains { $0.hasSuffix(".part") } && left.contains("last"))
    let evaluated = try Command.run(["evaluate", "--checkpoint", disk + "/run", "--data", data])
    #expect(evaluated.code == 0, "\(evaluated.errors)")
  }

  /// A step that is not finite ends the run, or is skipped and leaves no trace; probabilities that are no numbers end it.
  @Test(arguments: [1, 2])
  func stepsThatAreNotFinite(_ ranks: Int) throws {
    let place = try Place()
    let data = try place.data()
    let wild = ["--optimizer", "sgd", "--learning-rate", "1e30", "--clip", "0", "--warmup", "0", "--epochs", "1"]
    func train(_ run: String, _ options: [String]) throws -> Command {
      try Command.run(
        ["train", "--data", data, "--output", "\(place.path)/\(run)"] + tiny + wild + options, ranks: ranks)
    }
    let ended = try train("ended", [])
    #expect(ended.code == 1 && ended.errorLines.count == 1, "\(ended.errors)")
    #expect(ended.errorLines.first?.contains("is not finite") == true)
    if ranks > 1 { #expect(ended.errorLines.first?.contains("[rank ") == true) }

    let skipping = ["--on-nonfinite", "skip", "--checkpoint-every", "1", "--keep", "99", "--ema", "0.9"]
    let skipped = try train("skipped", skipping + ["--validation", "0"])
    #expect(skipped.code == 0, "\(skipped.errors)")
    let told = place.text("skipped/metrics.jsonl").split(separator: "\n").map { $0.contains("\"skipped\":true") }
    // The first step makes the weights huge, the others find nothing finite.
    #expect(told.count == 6 && told == [false, true, true, true, true, true])
    for name in ["model", "ema", "optimizer"] {
      let files = (1...6).map { place.bytes("skipped/checkpoints/step-0000000\($0)/\(name).safetensors") }
      #expect(files.allSatisfy { $0 != nil && $0 == files[0] }, "\(name)")
    }

    let evaluated = try train("evaluated", skipping)
    #expect(evaluated.code == 1 && evaluated.errorLines.count == 1, "\(evaluated.errors)")
    #expect(
      evaluated.errorLines[0].contains("patient ") && evaluated.errorLines[0].contains("evaluated/checkpoints/step-"))
    #expect(!place.exists("evaluated/metrics.json"))
  }

  @Test func optionsComeFromAFileAndTheCommandLineBeatsIt() throws {
    let place = try Place()
    let data = try place.data()
    try "data: \(data)\nepochs: 7\ndepth: 18\nstem: 8\nwidth: 32\nsize: 64\nbatch: 4\nwithout: [ccam]\n"
      .write(toFile: place.path + "/options.yaml", atomically: true, encoding: .utf8)
    let done = try Command.run([
      "train", "--config", place.path + "/options.yaml", "--output", "\(place.path)/run", "--epochs", "1",
    ])
    #expect(done.code == 0, "\(done.errors)")
    let kept = place.text("run/config.yaml")
    #expect(kept.contains("epochs: 1\n") && kept.contains("- ccam") && kept.contains("width: 32\n"))
  }
}
