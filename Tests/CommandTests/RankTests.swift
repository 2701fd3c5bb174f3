import Foundation
import Launching
import Testing

/// Ranks that were told, see or suffer different things: all end, soon, with one line that names the rank and the right code.
@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct RankTests {
  /// Runs `first` on one rank and `second` on another of the same job.
  private func pair(_ first: [String], _ second: [String], environment: [String: String] = [:]) throws -> (
    command: Command, seconds: Double
  ) {
    let start = Date()
    let other = environment.flatMap { Launcher.words(variable: $0.key, $0.value) }
    let command = try Command.run(first + [":", "-n", "1"] + other + ["\(products)/dmsnet"] + second, ranks: 1)
    return (command, Date().timeIntervalSince(start))
  }

  private func expect(
    _ code: Int32, _ what: String, _ first: [String], _ second: [String], environment: [String: String] = [:]
  ) throws {
    let (result, seconds) = try pair(first, second, environment: environment)
    #expect(result.code == code && result.errorLines.count == 1, "\(what): \(result.code) \(result.errors)")
    #expect(result.errorLines.first?.contains("[rank 1 of 2 on ") == true, "\(result.errors)")
    #expect(result.errorLines.first?.contains(what) == true, "\(result.errors)")
    // Ending takes less than 5 seconds; the rest is the start on a machine that may be busy.
    #expect(seconds < 60)
  }

  /// Whatever goes wrong on rank 1 alone, before or after the job is joined.
  @Test func anErrorOnOneRankEndsAll() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let good = ["train", "--data", data, "--output", "\(place.path)/run", "--epochs", "1"] + tiny
    try expect(66, "missing.yaml: no such file", good, good + ["--config", "missing.yaml"])
    try expect(64, "Unknown option '--nonsense'", good, good + ["--nonsense"])
    try expect(64, "'inf' is invalid for '--clip'", good, good + ["--clip", "inf"])
    try expect(64, "DMSNET_ISA names no instruction set", good, good, environment: ["DMSNET_ISA": "abacus"])
    try expect(66, "nowhere: no such folder", good, good + ["--data", "\(place.path)/nowhere"])
    try "a: [".write(toFile: "\(place.path)/bad.yaml", atomically: true, encoding: .utf8)
    try expect(64, "bad.yaml: not YAML", good, good + ["--config", "\(place.path)/bad.yaml"])
    #expect(!place.exists("run"))
  }

  /// Options, labels and photographs are compared before anything is written.
  @Test func ranksThatSeeDifferentThingsAreNamed() throws {
    let place = try Place()
    let data = try place.data(patients: 12)
    let files = FileManager.default
    for name in ["fewer", "relabelled", "repainted"] {
      try files.copyItem(atPath: data, toPath: "\(place.path)/\(name)")
    }
    try files.removeItem(atPath: "\(place.path)/fewer/images/5_left.jpg")
    let table = "\(place.path)/relabelled/annotations.csv"
    let lines = try String(contentsOfFile: table, encoding: .utf8).split(separator: "\n").map(String.init)
    try lines.enumerated().map {
      $0.offset == 4 ? $0.element.dropLast() + ($0.element.hasSuffix("1") ? "0" : "1") : $0.element[...]
    }
    .joined(separator: "\n").write(toFile: table, atomically: true, encoding: .utf8)
    let picture = "\(place.path)/repainted/images/7_right.jpg"
    try files.removeItem(atPath: picture)
    try files.copyItem(atPath: "\(data)/images/8_left.jpg", toPath: picture)

    func train(_ data: String, _ options: [String] = []) -> [String] {
      ["train", "--data", data, "--output", "\(place.path)/run", "--epochs", "1", "--validation", "0"] + tiny + options
    }
    try expect(65, "patient 5", train(data), train("\(place.path)/fewer"))
    try expect(65, "labels of patient 3", train(data), train("\(place.path)/relabelled"))
    try expect(65, "right photograph of patient 7", train(data), train("\(place.path)/repainted"))
    try expect(64, "--batch: 5 here, 4 there", train(data), train(data, ["--batch", "5"]))
    try expect(64, "--seed: 9 here, missing there", train(data), train(data, ["--seed", "9"]))
    #expect(!place.exists("run"))
    // What may lie elsewhere, may.
    try files.copyItem(atPath: data, toPath: "\(place.path)/elsewhere")
    let (same, _) = try pair(train(data), train("\(place.path)/elsewhere", ["--threads", "2"]))
    #expect(same.code == 0, "\(same.errors)")
    for (name, patient) in [("fewer", "patient 5"), ("relabelled", "patient 3"), ("repainted", "patient 7")] {
      let evaluate = [
        "evaluate", "--checkpoint", "\(place.path)/run", "--patients", "all", "--output", "\(place.path)/evaluation",
      ]
      try expect(65, patient, evaluate + ["--data", data], evaluate + ["--data", "\(place.path)/\(name)"])
    }
    #expect(!place.exists("evaluation"))
  }

  /// A step may have fewer pairs, or fewer micro-batches, than ranks.
  @Test(arguments: [(2, 4, 1), (4, 6, 1), (2, 8, 4), (3, 7, 3), (3, 7, 7), (2, 4, 4), (4, 6, 4)])
  func aRankMayHaveNothingToDo(_ ranks: Int, _ batch: Int, _ microBatch: Int) throws {
    let place = try Place()
    let data = try place.data(patients: 13)
    let shape = [
      "--batch", "\(batch)", "--micro-batch", "\(microBatch)", "--validation", "0", "--epochs", "2", "--ema", "0.9",
    ]
    let done = try Command.run(
      ["train", "--data", data, "--output", "\(place.path)/run"] + tiny + shape + ["--checkpoint-every", "1"],
      ranks: ranks)
    #expect(done.code == 0, "\(done.errors)")
    #expect(place.steps("run") == 2 * ((13 + batch - 1) / batch))
    let idle = [
      [3, 7, 7]: "2 of 3 ranks have nothing to do: a step has 1 micro-batch of 7 pairs;",
      [2, 4, 4]: "1 of 2 ranks has nothing to do: a step has 1 micro-batch of 4 pairs;",
      [4, 6, 4]: "2 of 4 ranks have nothing to do: a step has 2 micro-batches of 4 pairs;",
    ][[ranks, batch, microBatch]]
    #expect(done.errors.contains(idle ?? "nothing to do") == (idle != nil), "\(done.errors)")
  }

  @Test func unequalPartsWithoutTheLastStep() throws {
    let place = try Place()
    let data = try place.data(patients: 13)
    let shape = ["--batch", "5", "--micro-batch", "2", "--drop-last", "--validation", "0", "--epochs", "2"]
    let done = try Command.run(["train", "--data", data, "--output", "\(place.path)/run"] + tiny + shape, ranks: 2)
    #expect(done.code == 0, "\(done.errors)")
  }

  /// Norms over the whole step do not depend on ranks either, with ranks that have nothing to do, nor on a resume on others.
  @Test func synchronisedNormsOnAnyRanks() throws {
    let place = try Place()
    let data = try place.data(patients: 14)
    func train(_ run: String, _ options: [String], ranks: Int?) throws -> Data? {
      let output = ["train", "--output", "\(place.path)/\(run)"]
      let done = try Command.run(output + options, ranks: ranks)
      #expect(done.code == 0, "\(done.errors)")
      return place.bytes("\(run)/checkpoints/last/model.safetensors")
    }
    let start =
      ["--data", data, "--validation", "0", "--schedule", "constant"] + tiny + ["--micro-batch", "2", "--sync-norm"]
    let whole = try train("whole", start + ["--epochs", "2"], ranks: nil)
    #expect(whole != nil && place.steps("whole") == 8)
    #expect(try train("three", start + ["--epochs", "2"], ranks: 3) == whole)
    _ = try train("hop", start + ["--epochs", "1"], ranks: 2)
    #expect(try train("hop", ["--resume", "--epochs", "2"], ranks: 4) == whole)
  }

  /// A photograph that goes bad while the run is on its way, on one rank's share: all end, also where ranks wait for one another
  /// within a step.
  @Test(arguments: [[], ["--sync-norm"]])
  func aPhotographLostOnTheWayEndsAll(_ options: [String]) throws {
    let place = try Place()
    let data = try place.data(patients: 24)
    let process = try Command.start(
      [
        "train", "--data", data, "--output", "\(place.path)/run", "--epochs", "9999", "--checkpoint-every", "1",
        "--cache", "none",
      ] + tiny + options,
      ranks: 2)
    while place.steps("run") < 3 && process.isRunning { usleep(1000) }
    try FileManager.default.removeItem(atPath: "\(data)/images/3_left.jpg")
    process.waitUntilExit()
    #expect([65, 66].contains(process.terminationStatus))
    #expect(place.text("run/checkpoints/last/state.json").contains("\"step\""))
  }
}
