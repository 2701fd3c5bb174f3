import Crypto
import Foundation
import Testing

/// What a resumed run may be told, what it finds again, and that nothing is lost.
@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct ResumeTests {
  private func sums(_ place: Place, _ run: String) -> [String] {
    ["model", "ema", "optimizer"].map { name in
      place.bytes("\(run)/checkpoints/last/\(name).safetensors").map { SHA256.hash(data: $0).description } ?? "missing"
    }
  }

  private func train(_ place: Place, _ run: String, _ options: [String], ranks: Int? = nil) throws -> Command {
    try Command.run(["train", "--output", "\(place.path)/\(run)"] + options, ranks: ranks)
  }

  /// Every file of a folder with its bytes and time of change; links with their target.
  private func snapshot(_ folder: String) throws -> [String: String] {
    var result: [String: String] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
      let bytes = FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data()
      result[name] = "\(attributes[.modificationDate] ?? "") \(SHA256.hash(data: bytes))"
    }
    return result
  }

  private func checkpoints(_ place: Place, _ run: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(place.path)/\(run)/checkpoints").filter {
      $0.hasPrefix("step-")
    }
    .sorted()
  }

  /// An option that would make another run is refused with both values; the folder stays as it was, to the last byte.
  @Test func whatMayNotChangeIsRefusedBeforeAFileIsTouched() throws {
    let place = try Place()
    let data = try place.data()
    let first = try train(place, "run", ["--data", data, "--epochs", "2", "--checkpoint-every", "3"] + tiny)
    #expect(first.code == 0, "\(first.errors)")
    let other = try place.data(patients: 12, name: "other")
    let before = try snapshot("\(place.path)/run")
    for (name, value, was) in [
      ("batch", "8", "4"), ("seed", "5", "0"), ("validation", "0.4", "0.2"), ("optimizer", "sgd", "adamw"),
      ("ema", "0.9", "0.0"), ("without", "osim", "none"), ("size", "96", "64"), ("stem", "16", "8"),
      ("learning-rate", "0.5", "0.0003"), ("micro-batch", "2", "1"), ("dropout", "0.1", "0.2"), ("depth", "34", "18"),
      ("split", "/nowhere.csv", "none"), ("pretrained", "/nowhere", "none"), ("flip", "0", "0.5"),
      ("bins", "1", "1 2 3 6"),
    ] {
      let refused = try train(place, "run", ["--resume", "--epochs", "9", "--\(name)", value])
      #expect(refused.code == 64 && refused.errorLines.count == 1, "\(name): \(refused.errors)")
      #expect(
        refused.errorLines.first?.contains("--\(name) is ") == true
          && refused.errorLines.first?.contains("the run's is \(was)") == true, "\(refused.errors)")
    }
    let smaller = try train(place, "run", ["--resume", "--epochs", "9", "--data", other])
    #expect(smaller.code == 64 && smaller.errorLines.first?.contains("of the run's 24 patients are not there") == true)
    #expect(try snapshot("\(place.path)/run") == before)

    let more = try train(place, "run", ["--resume", "--epochs", "3", "--threads", "2", "--keep", "5"], ranks: 2)
    #expect(more.code == 0, "\(more.errors)")
    for line in ["--epochs is 3, was 2", "--threads is 2, was 1", "--keep is 5, was 3", "goes on from step"] {
      #expect(more.errors.contains(line), "\(line) of \(more.errors)")
    }
    #expect(place.text("run/config.yaml").contains("epochs: 3\n"))
  }

  /// A label that was corrected meanwhile is refused by row; patients that have arrived stay out; the split never moves.
  @Test func theRunsPatientsStayItsPatients() throws {
    let place = try Place()
    let data = try place.data()
    let images = ["5_left.jpg", "9_right.jpg"]
    for image in images {
      try FileManager.default.moveItem(atPath: "\(data)/images/\(image)", toPath: "\(place.path)/\(image)")
    }
    #expect(try train(place, "run", ["--data", data, "--epochs", "1"] + tiny).code == 0)
    let split = place.text("run/split.csv")
    for image in images {
      try FileManager.default.moveItem(atPath: "\(place.path)/\(image)", toPath: "\(data)/images/\(image)")
    }
    let resumed = try train(place, "run", ["--resume", "--epochs", "2"])
    #expect(
      resumed.code == 0 && resumed.errors.contains("2 patients are not of this run and stay out"), "\(resumed.errors)")
    #expect(place.text("run/split.csv") == split)
    let table = "\(data)/annotations.csv"
    let lines = try String(contentsOfFile: table, encoding: .utf8).split(separator: "\n").map(String.init)
    let changed = lines.enumerated().map { index, line in
      index == 3 ? line.dropLast(3) + (line.hasSuffix("0,1") ? "1,0" : "0,1") : line[...]
    }
    try changed.joined(separator: "\n").write(toFile: table, atomically: true, encoding: .utf8)
    let refused = try train(place, "run", ["--resume", "--epochs", "3"])
    #expect(
      refused.code == 64 && refused.errorLines.first?.contains("row 4: labels of patient 2") == true,
      "\(refused.errors)")
  }

  /// Files that began a run are not wanted again, and it goes on from any folder.
  @Test func whatTheCheckpointHoldsIsNotAskedForAgain() throws {
    let place = try Place()
    _ = try place.data()
    #expect(try train(place, "first", ["--data", "\(place.path)/data", "--epochs", "1"] + tiny).code == 0)
    try FileManager.default.copyItem(atPath: "\(place.path)/first/split.csv", toPath: "\(place.path)/split.csv")
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = [
      "-c",
      "cd \(place.path) && exec \(products)/dmsnet train --data data --output run --split split.csv --epochs 1 \(tiny.joined(separator: " ")) 2>/dev/null",
    ]
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0)
    try FileManager.default.removeItem(atPath: "\(place.path)/split.csv")
    let resumed = try train(place, "run", ["--resume", "--epochs", "2"])
    #expect(resumed.code == 0, "\(resumed.errors)")
  }

  /// Stopped by a signal at any step, on any number of ranks, with checkpoints as often as one likes: the same bits.
  @Test(arguments: [2, 3])
  func stopsAndCheckpointsLeaveNoTrace(_ ranks: Int) throws {
    let place = try Place()
    let data = try place.data()
    func options(_ every: Int) -> [String] {
      ["--data", data, "--epochs", "3", "--ema", "0.9", "--ema-warmup", "3", "--checkpoint-every", "\(every)"] + tiny
        + ["--freeze", "trunk.conv1", "--unfreeze-epoch", "2", "--monitor", "recall"]
    }
    #expect(try train(place, "whole", options(0), ranks: ranks).code == 0)
    let expected = sums(place, "whole")
    let often = try train(place, "often", options(1), ranks: ranks)
    #expect(often.code == 0 && sums(place, "often") == expected, "\(often.errors)")
    for step in isLong ? [1, 3, 4, 7, 9, 11, 13] : [2, 7] {
      let process = try Command.start(
        ["train", "--output", "\(place.path)/stopped-\(step)"] + options(0), ranks: ranks)
      while place.steps("stopped-\(step)") < step && process.isRunning { usleep(500) }
      kill(process.processIdentifier, SIGUSR1)
      process.waitUntilExit()
      #expect(process.terminationStatus == 75)
      let resumed = try train(place, "stopped-\(step)", ["--resume"], ranks: ranks)
      #expect(resumed.code == 0 && resumed.errors.contains("goes on from step"), "\(resumed.errors)")
      #expect(sums(place, "stopped-\(step)") == expected, "stopped after step \(step) on \(ranks) ranks")
      #expect(place.bytes("stopped-\(step)/metrics.json") == place.bytes("whole/metrics.json"))
    }
  }

  /// Copies without links, with links that dangle, and with folders in the links' place are whole runs.
  @Test(arguments: ["none", "dangling", "folders", "only folders"])
  func aCopiedRunGoesOn(_ links: String) throws {
    let place = try Place()
    let data = try place.data()
    let options = ["--data", data, "--ema", "0.9", "--schedule", "constant"] + tiny
    #expect(try train(place, "run", options + ["--epochs", "2"]).code == 0)
    #expect(try train(place, "whole", options + ["--epochs", "3"]).code == 0)
    let folder = "\(place.path)/run/checkpoints"
    let files = FileManager.default
    let newest = try #require(try checkpoints(place, "run").last)
    for link in ["last", "best"] {
      let target = try files.destinationOfSymbolicLink(atPath: "\(folder)/\(link)")
      try files.removeItem(atPath: "\(folder)/\(link)")
      switch links {
      case "none": break
      case "dangling": try files.createSymbolicLink(atPath: "\(folder)/\(link)", withDestinationPath: "step-99999999")
      default: try files.copyItem(atPath: "\(folder)/\(target)", toPath: "\(folder)/\(link)")
      }
    }
    if links == "only folders" {
      for name in try checkpoints(place, "run") { try files.removeItem(atPath: "\(folder)/\(name)") }
    }
    let kept = place.bytes("run/checkpoints/\(links == "only folders" ? "last" : newest)/state.json")
    let evaluated = try Command.run(["evaluate", "--checkpoint", "\(place.path)/run", "--data", data])
    #expect(evaluated.code == 0, "\(evaluated.errors)")
    let resumed = try train(place, "run", ["--resume", "--epochs", "3"])
    #expect(resumed.code == 0 && resumed.errors.contains("goes on from step"), "\(resumed.errors)")
    #expect(place.bytes("run/checkpoints/\(newest)/state.json") == kept)
    #expect(sums(place, "run") == sums(place, "whole"))
    for link in ["last", "best"] {
      let target = try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(link)")
      #expect(target.map { files.fileExists(atPath: "\(folder)/\($0)/state.json") } == true, "\(link)")
    }
  }

  /// Killed before any renaming or linking, of files, checkpoints and links, and resumed, a run ends as one that was not.
  @Test func aKillBetweenFilesLeavesNoTrace() throws {
    let place = try Place()
    let data = try place.data()
    let options = ["--data", data, "--epochs", "3", "--keep", "1", "--ema", "0.9"] + tiny
    func links(_ run: String) -> [String?] {
      ["last", "best"].map {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "\(place.path)/\(run)/checkpoints/\($0)")
      }
    }
    #expect(try train(place, "whole", options).code == 0)
    var call = 0
    while true {
      call += isLong ? 1 : 7
      let preload = ["LD_PRELOAD": "\(products)/libpoorfilesystem.so", "KILL_AT_RENAME": "\(call)"]
      let run = "killed-\(call)"
      let killed = try Command.run(["train", "--output", "\(place.path)/\(run)"] + options, environment: preload)
      if killed.code == 0 { break }
      #expect(killed.code == SIGKILL)
      // Before its options are written there is no run yet.
      let begun = place.exists("\(run)/config.yaml")
      let resumed = try train(place, run, begun ? ["--resume"] : options)
      #expect(resumed.code == 0, "call \(call): \(resumed.errors)")
      #expect(sums(place, run) == sums(place, "whole") && links(run) == links("whole"), "call \(call)")
      #expect(place.bytes("\(run)/metrics.json") == place.bytes("whole/metrics.json"), "call \(call)")
      #expect(try checkpoints(place, run) == checkpoints(place, "whole"), "call \(call)")
    }
    #expect(call > 20)
  }

  /// Where a file system knows neither locks nor links, a run says so, trains, goes on and is read.
  @Test func aPoorFileSystemSuffices() throws {
    let place = try Place()
    let data = try place.data()
    let preload = ["LD_PRELOAD": "\(products)/libpoorfilesystem.so", "POOR_FILE_SYSTEM": "1"]
    let options = ["train", "--data", data, "--output", "\(place.path)/run", "--schedule", "constant"] + tiny
    let first = try Command.run(options + ["--epochs", "1"], environment: preload)
    #expect(first.code == 0 && first.errors.contains("knows no locks"), "\(first.errors)")
    #expect(!place.exists("run/checkpoints/last") && !place.exists("run/checkpoints/.last.part"))
    let resumed = try Command.run(options + ["--epochs", "2", "--resume"], environment: preload)
    #expect(resumed.code == 0 && resumed.errors.contains("goes on from step 5"), "\(resumed.errors)")
    let evaluated = try Command.run(
      ["evaluate", "--checkpoint", "\(place.path)/run", "--data", data], environment: preload)
    #expect(evaluated.code == 0, "\(evaluated.errors)")
  }

  /// Evaluation while a run writes and removes checkpoints all the time finds a whole one every time.
  @Test func aCheckpointIsReadWhileTheRunGoesOn() throws {
    let place = try Place()
    let data = try place.data()
    let process = try Command.start(
      [
        "train", "--data", data, "--output", "\(place.path)/run", "--epochs", "9999", "--keep", "1",
        "--checkpoint-every", "1",
        "--validation", "0",
      ] + tiny)
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    while !place.exists("run/checkpoints/last/state.json") && process.isRunning { usleep(1000) }
    for _ in 0..<20 {
      let done = try Command.run([
        "predict", "--checkpoint", "\(place.path)/run", data + "/images/0_left.jpg", data + "/images/0_right.jpg",
      ])
      #expect(done.code == 0, "\(done.errors)")
    }
  }

  /// A newest checkpoint that lacks a file is passed over aloud; one that is damaged is refused, and the one before it offered.
  @Test func whatIsNotWholeIsNotTakenInSilence() throws {
    let place = try Place()
    let data = try place.data()
    #expect(try train(place, "run", ["--data", data, "--epochs", "2", "--schedule", "constant"] + tiny).code == 0)
    let names = try checkpoints(place, "run")
    let expected = sums(place, "run")
    let newest = "\(place.path)/run/checkpoints/\(names[1])"
    let model = try #require(FileManager.default.contents(atPath: "\(newest)/model.safetensors"))
    var damaged = model
    damaged[damaged.count / 2] ^= 4
    try damaged.write(to: URL(fileURLWithPath: "\(newest)/model.safetensors"))
    let refused = try train(place, "run", ["--resume", "--epochs", "3"])
    #expect(refused.code == 65 && refused.errors.contains("the checkpoint before it is"), "\(refused.errors)")
    try FileManager.default.removeItem(atPath: "\(newest)/optimizer.safetensors")
    let resumed = try train(place, "run", ["--resume"])
    #expect(resumed.code == 0 && resumed.errors.contains("\(names[1]): passed over"), "\(resumed.errors)")
    #expect(resumed.errors.contains("goes on from step 5 of 10") && sums(place, "run") == expected, "\(resumed.errors)")
  }

  /// The whole range of seeds goes through `config.yaml` and checkpoints.
  @Test func aSeedBeyondSignedNumbersComesBack() throws {
    let place = try Place()
    let data = try place.data()
    let seed = "18446744073709551615"
    #expect(try train(place, "run", ["--data", data, "--epochs", "1", "--seed", seed] + tiny).code == 0)
    #expect(place.text("run/config.yaml").contains("seed: \(seed)\n"))
    let resumed = try train(place, "run", ["--resume", "--epochs", "2", "--seed", seed])
    #expect(resumed.code == 0, "\(resumed.errors)")
  }

  /// No value of `state.json` traps or is taken for another run's: each is refused by name.
  @Test func aDamagedStateIsRefused() throws {
    let place = try Place()
    let data = try place.data()
    let options = ["--data", data, "--epochs", "2", "--keep", "1"] + tiny
    #expect(try train(place, "run", options).code == 0)
    let names = try checkpoints(place, "run")
    let file = "\(place.path)/run/checkpoints/\(try #require(names.last))/state.json"
    let text = try String(contentsOfFile: file, encoding: .utf8)
    for (name, value) in [
      ("step", "-1"), ("step", "9223372036854775807"), ("step", "9223372036854775808"), ("epoch", "99"),
      ("position", "1"), ("position", "-5"), ("optimizerSteps", "1e30"), ("evaluatedEpochs", "7"), ("bestStep", "-3"),
      ("stem", "0"), ("stem", "1048576"), ("heads", "7"), ("labels", "0"), ("width", "-1"), ("embedding", "17"),
    ] {
      let changed = text.replacing(try Regex("\"\(name)\" : [-0-9]+"), with: "\"\(name)\" : \(value)")
      #expect(changed != text, "\(name) is not in \(text.prefix(400))")
      try changed.write(toFile: file, atomically: true, encoding: .utf8)
      let resumed = try train(place, "run", ["--resume", "--epochs", "3"])
      #expect(
        resumed.code == 65 && resumed.errorLines.count == 1, "\(name) \(value): \(resumed.code) \(resumed.errors)")
      let evaluated = try Command.run([
        "evaluate", "--checkpoint", "\(place.path)/run/checkpoints/last", "--data", data,
      ])
      #expect([0, 65].contains(evaluated.code) && evaluated.errorLines.count <= 1, "\(evaluated.errors)")
    }
  }
}
