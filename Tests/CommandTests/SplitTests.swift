import Foundation
import Testing

/// Who trains and who validates, through the program.
@Suite(.serialized)
struct SplitCommandTests {
  private func train(_ place: Place, _ run: String, _ arguments: [String]) throws -> Command {
    try Command.run(
      ["train", "--data", "\(place.path)/data", "--output", "\(place.path)/\(run)", "--epochs", "1"] + tiny + arguments)
  }

  private func side(_ place: Place, _ run: String) -> [String: String] {
    let rows = place.text("\(run)/split.csv").split(separator: "\n").dropFirst().map { $0.split(separator: ",") }
    return Dictionary(uniqueKeysWithValues: rows.map { (String($0[0]), String($0[1])) })
  }

  @Test func everybodyValidatesInOneFold() throws {
    let place = try Place()
    _ = try place.data(patients: 20)
    var validating: [String] = []
    for fold in 1...3 {
      let done = try train(place, "fold-\(fold)", ["--folds", "3", "--fold", "\(fold)"])
      #expect(done.code == 0, "\(done.errors)")
      validating += side(place, "fold-\(fold)").filter { $0.value == "validation" }.keys
    }
    #expect(validating.compactMap { Int($0) }.sorted() == Array(0..<20))
    let resumed = try Command.run(
      ["train", "--output", "\(place.path)/fold-1", "--resume", "--epochs", "2", "--folds", "3"])
    #expect(resumed.code == 0, "\(resumed.errors)")
    for (arguments, what) in [
      (["--fold", "2"], "--fold is 2 without --folds"),
      (["--folds", "3", "--fold", "4"], "--fold is 4, expected 1 to 3"),
      (["--folds", "1"], "--folds is 1, expected 0 (off), or 2 to 100"),
      (["--folds", "50"], "more than the 20 patients"),
      (["--folds", "3", "--split", "\(place.path)/fold-1/split.csv"], "--folds and --split cannot both be given"),
    ] {
      let refused = try train(place, "refused", arguments)
      #expect(refused.code == 64 && refused.errorLines.count == 1 && !place.exists("refused"))
      #expect(refused.errors.contains(what), "\(refused.errors)")
    }
  }

  @Test func theSamePhotographIsNotOnBothSides() throws {
    let place = try Place()
    let data = try place.data(patients: 20)
    for (from, to) in [("2_left", "9_left"), ("9_right", "15_left")] {
      try FileManager.default.removeItem(atPath: "\(data)/images/\(to).jpg")
      try FileManager.default.copyItem(atPath: "\(data)/images/\(from).jpg", toPath: "\(data)/images/\(to).jpg")
    }
    for arguments in [[], ["--cache", "none"], ["--folds", "4"]] {
      let run = "run\(arguments.joined())"
      let done = try train(place, run, arguments)
      #expect(done.code == 0, "\(done.errors)")
      #expect(done.errors.contains("the same photographs, kept on one side: patients 2, 9 and 15"), "\(done.errors)")
      let sides = side(place, run)
      #expect(sides["2"] == sides["9"] && sides["2"] == sides["15"])
    }
    // A file of the split is followed, and that is told.
    let rows = (0..<20).map { "\($0),\([9, 11, 12].contains($0) ? "validation" : "train")\n" }
    let file = "\(place.path)/split.csv"
    try ("ID,split\n" + rows.joined()).write(toFile: file, atomically: true, encoding: .utf8)
    let done = try train(place, "file", ["--split", file])
    #expect(
      done.code == 0
        && done.errors.contains("warning: the same photographs are on both sides of \(file): patients 2, 9 and 15"))
    #expect(side(place, "file")["9"] == "validation")
  }
}
