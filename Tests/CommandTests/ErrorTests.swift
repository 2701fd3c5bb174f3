import Foundation
import Testing

/// Bad input on two ranks: one clear line, the right exit code, nothing left behind, no hang.
@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct ErrorTests {
  private func fail(_ place: Place, _ arguments: [String], ranks: Int = 2) throws -> Command {
    try Command.run(["train", "--output", "\(place.path)/run"] + tiny + ["--epochs", "1"] + arguments, ranks: ranks)
  }

  /// `change` spoils a data set; the error must have `code` and say `what`.
  private func expect(
    _ code: Int32, _ what: String, _ arguments: [String] = [], ranks: Int = 2,
    change: (Place, String) throws -> Void = { _, _ in }
  ) throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    try change(place, data)
    let result = try fail(place, ["--data", data] + arguments, ranks: ranks)
    #expect(result.code == code, "\(what): \(result.errors)")
    #expect(result.errorLines.count == 1 && result.errorLines[0].contains(what), "\(result.errors)")
    #expect(!place.exists("run"))
  }

  private func edit(_ path: String, _ change: (String) -> String) throws {
    try change(String(contentsOfFile: path, encoding: .utf8)).write(toFile: path, atomically: true, encoding: .utf8)
  }

  @Test func missingAnnotations() throws {
    try expect(66, "no annotation file") { _, data in
      try FileManager.default.removeItem(atPath: data + "/annotations.csv")
    }
  }

  @Test func missingColumn() throws {
    try expect(65, "annotations.csv: column G is missing") { _, data in
      try edit(data + "/annotations.csv") { $0.replacingOccurrences(of: ",G,", with: ",Q,") }
    }
  }

  @Test func labelTwo() throws {
    try expect(65, "annotations.csv, row 4: label O is 2, expected 0 or 1") { _, data in
      try edit(data + "/annotations.csv") { text in
        var lines = text.components(separatedBy: "\n")
        lines[3] = String(lines[3].dropLast()) + "2"
        return lines.joined(separator: "\n")
      }
    }
  }

  @Test func truncatedJPEG() throws {
    try expect(65, "images/5_left.jpg: not a readable JPEG") { _, data in
      let path = data + "/images/5_left.jpg"
      let bytes = try #require(FileManager.default.contents(atPath: path))
      try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: path))
    }
  }

  @Test func textNamedJPEG() throws {
    try expect(65, "images/3_right.jpg: not a readable JPEG") { _, data in
      try "just text".write(toFile: data + "/images/3_right.jpg", atomically: true, encoding: .utf8)
    }
  }

  @Test func workbookThatIsNoZip() throws {
    try expect(65, "annotations.xlsx: not an XLSX workbook") { _, data in
      try "no zip".write(toFile: data + "/annotations.xlsx", atomically: true, encoding: .utf8)
    }
  }

  @Test func weightsWithAHeaderBeyondTheFile() throws {
    let weights = NSTemporaryDirectory() + "dmsnet-bad-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: weights) }
    try Data([255, 255, 0, 0, 0, 0, 0, 0, 123]).write(to: URL(fileURLWithPath: weights))
    try expect(65, "the header's length, 65535 bytes, exceeds the file's", ["--pretrained", weights])
  }

  @Test func splitsThatDoNotFit() throws {
    func expect(_ what: String, _ sides: [(Int, String)]) throws {
      let rows = ["ID,split"] + sides.map { "\($0.0),\($0.1)" }
      let file = NSTemporaryDirectory() + "dmsnet-\(UUID().uuidString).csv"
      defer { try? FileManager.default.removeItem(atPath: file) }
      try rows.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
      try self.expect(65, "\(file)" + what, ["--split", file])
    }
    let all = (0..<10).map { ($0, $0 < 3 ? "validation" : "train") }
    try expect(", row 12: patient 77 is not in ", all + [(77, "train")])
    try expect(": patient 4 of ", all.filter { $0.0 != 4 })
    try expect(", row 12: ID 2 is on both sides", all + [(2, "train")])
    try expect(", row 2: split is test, expected train or validation", [(0, "test")] + all.dropFirst())
  }

  @Test func moreRanksThanPairs() throws { try expect(64, "5 ranks are more than the 4 pairs of a step", ranks: 5) }

  @Test func unknownOption() throws { try expect(64, "Unknown option '--nonsense'", ["--nonsense"]) }

  @Test func valuesOutOfRange() throws {
    try expect(64, "--batch is 0, expected 1 to 65536", ["--batch", "0"])
    try expect(64, "'many' is invalid for '--epochs'", ["--epochs", "many"])
  }

  @Test func unknownKey() throws {
    let place = try Place()
    let file = place.path + "/options.yaml"
    try "nonsense: 3\n".write(toFile: file, atomically: true, encoding: .utf8)
    let result = try fail(place, ["--config", file])
    #expect(result.code == 64 && result.errorLines.count == 1)
    #expect(result.errorLines.first?.contains("options.yaml: unknown key nonsense") == true)
  }

  @Test func anOptionThatIsGoneNamesWhatCameForIt() throws {
    let place = try Place()
    let file = place.path + "/options.yaml"
    try "accumulate: 2\n".write(toFile: file, atomically: true, encoding: .utf8)
    for arguments in [["--accumulate", "2"], ["--config", file]] {
      let result = try fail(place, arguments)
      #expect(result.code == 64 && result.errors.contains("--micro-batch has taken its place"), "\(result.errors)")
    }
  }

  @Test func outputThatCannotBe() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let result = try Command.run(["train", "--data", data, "--output", "/proc/nowhere"] + tiny, ranks: 2)
    #expect(result.code == 73 && result.errorLines.count == 1)
    try "a file".write(toFile: place.path + "/file", atomically: true, encoding: .utf8)
    let blocked = try Command.run(["train", "--data", data, "--output", place.path + "/file"] + tiny, ranks: 2)
    #expect(blocked.code == 73 && blocked.errorLines.count == 1)
  }

  /// Another run's folder, the same folder twice at once, a checkpoint of another depth.
  @Test func foldersOfOtherRuns() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let arguments = ["train", "--data", data, "--output", place.path + "/run"] + tiny
    let long = try Command.start(arguments + ["--epochs", "2000"], ranks: 2)
    while place.steps("run") < 1 && long.isRunning { usleep(2000) }
    let second = try Command.run(arguments + ["--epochs", "1", "--resume"], ranks: 2)
    #expect(
      second.code == 73 && second.errorLines.count == 1 && second.errorLines[0].contains("in use by another process"))
    // The launcher passes this signal on to its ranks.
    kill(long.processIdentifier, SIGUSR1)
    long.waitUntilExit()
    #expect(long.terminationStatus == 75)
    let other = try Command.run(arguments + ["--epochs", "1"], ranks: 2)
    #expect(other.code == 73 && other.errorLines.first?.contains("holds another run") == true)
    let deep = try Command.run(arguments + ["--resume", "--depth", "34"], ranks: 2)
    #expect(
      deep.code == 64 && deep.errorLines.first?.contains("--depth is 34, the run's is 18") == true,
      "\(deep.errors)")
  }

  @Test func aDamagedCheckpointIsRefusedAndTheOneBeforeOffered() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let arguments = ["train", "--data", data, "--output", place.path + "/run"] + tiny + ["--epochs", "2"]
    #expect(try Command.run(arguments).code == 0)
    let names = try FileManager.default.contentsOfDirectory(atPath: place.path + "/run/checkpoints").filter {
      $0.hasPrefix("step-")
    }.sorted()
    let file = place.path + "/run/checkpoints/\(names[1])/model.safetensors"
    var bytes = try #require(FileManager.default.contents(atPath: file))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: file))
    let result = try Command.run([
      "evaluate", "--checkpoint", place.path + "/run/checkpoints/\(names[1])", "--data", data,
    ])
    #expect(result.code == 65 && result.errorLines.first?.contains("model.safetensors: damaged") == true)
    #expect(result.errors.contains("hint: the checkpoint before it is \(place.path)/run/checkpoints/\(names[0])"))
  }
}
