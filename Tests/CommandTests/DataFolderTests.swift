import Foundation
import Testing

/// Data folders as people have them: with links, missing and bad photographs.
@Suite(.serialized)
struct DataFolderTests {
  private func train(_ place: Place, _ data: String, _ arguments: [String] = []) throws -> Command {
    try Command.run(["train", "--data", data, "--output", "\(place.path)/run", "--epochs", "1"] + tiny + arguments)
  }

  private func spoil(_ paths: [String]) throws {
    for path in paths { try "no picture".write(toFile: path, atomically: true, encoding: .utf8) }
  }

  @Test func linksLeadToTheData() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let files = FileManager.default
    try files.createSymbolicLink(atPath: place.path + "/link", withDestinationPath: "data")
    let images = place.path + "/table/images"
    try files.createDirectory(atPath: place.path + "/table", withIntermediateDirectories: true)
    try files.copyItem(atPath: data + "/annotations.csv", toPath: place.path + "/table/annotations.csv")
    try files.createSymbolicLink(atPath: images, withDestinationPath: "../data/images")
    for arguments in [["\(place.path)/link"], ["\(place.path)/table"], ["\(place.path)/table", "--images", images]] {
      let trained = try train(place, arguments[0], Array(arguments.dropFirst()))
      #expect(trained.code == 0 && trained.errors.contains("10 of 10 patients"), "\(trained.errors)")
      try files.removeItem(atPath: place.path + "/run")
    }
    let none = try train(place, data, ["--images", "/nonexistent"])
    #expect(none.code == 66 && none.errorLines == ["dmsnet: error: /nonexistent: no such folder"])
  }

  @Test func badPhotographsEndARunBeforeItBegins() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    try spoil([data + "/images/2_left.jpg", data + "/images/7_right.jpg"])
    let refused = try train(place, data)
    #expect(refused.code == 65 && refused.errorLines.count == 1 && !place.exists("run"), "\(refused.errors)")
    for what in ["2 photographs cannot be used", "2_left.jpg (", "7_right.jpg ("] {
      #expect(refused.errorLines.first?.contains(what) == true)
    }
  }

  @Test func predictSaysWhoIsLeftOut() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    #expect(try train(place, data).code == 0)
    func predict(_ arguments: [String], ranks: Int? = nil) throws -> Command {
      try Command.run(["predict", "--checkpoint", place.path + "/run"] + arguments, ranks: ranks)
    }
    let files = FileManager.default
    let table = place.path + "/answers.csv"
    func rows() -> [String] { place.text("answers.csv").split(separator: "\n").map { String($0.prefix { $0 != "," }) } }

    // Missing.
    try files.moveItem(atPath: data + "/images/3_left.jpg", toPath: data + "/images/3_left.JPG")
    let missing = try predict(["--data", data, "--submission", table])
    #expect(missing.code == 0 && rows() == ["ID", "0", "1", "2", "4", "5", "6", "7", "8", "9"])
    #expect(
      missing.errors.contains(
        "9 of 10 patients have both images; 1 left out: 1 left image missing; for example 3_left.jpg is missing, 3_left.JPG is there"
      ), "\(missing.errors)")
    let strict = try predict(["--data", data, "--strict"])
    #expect(strict.code == 66 && strict.errors.contains("row 5: image 3_left.jpg"), "\(strict.errors)")

    // Two places.
    try files.copyItem(atPath: data + "/images", toPath: data + "/preprocessed_images")
    let both = try predict(["--data", data])
    #expect(both.code == 65 && both.errors.contains("have the same name"), "\(both.errors)")
    #expect(try predict(["--data", data, "--images", data + "/images"]).code == 0)
    try files.removeItem(atPath: data + "/preprocessed_images")

    // Bad.
    let image = { (name: String) in "\(data)/images/\(name).jpg" }
    let bad = ["5_left", "6_right", "7_left", "7_right"]
    try spoil(bad.map(image))
    for ranks in hasLauncher ? [nil, 2] : [nil] as [Int?] {
      let stopped = try predict(["--data", data, "--workers", "2"], ranks: ranks)
      #expect(stopped.code == 65 && stopped.errorLines.count == 1, "\(stopped.errors)")
      #expect(stopped.errorLines.first?.contains("4 photographs cannot be used: ") == true, "\(stopped.errors)")
      for name in bad { #expect(stopped.errors.contains("\n\(image(name)): not a readable JPEG") || name == bad[0]) }
    }
    let skipped = try predict(["--data", data, "--on-bad-image", "skip", "--submission", table])
    #expect(skipped.code == 0 && rows() == ["ID", "0", "1", "2", "4", "8", "9"])
    #expect(
      skipped.errors.contains("1 left image missing, 1 left image bad, 1 right image bad, 1 both images bad"),
      "\(skipped.errors)")

    // Named one by one.
    let pair = try predict([image("5_left"), image("nowhere")])
    #expect(pair.code == 65 && pair.errorLines.count == 1, "\(pair.errors)")
    #expect(
      pair.errorLines[0].contains("5_left.jpg (not a") && pair.errorLines[0].contains("nowhere.jpg (cannot be read"))
    #expect(try predict([image("nowhere"), image("5_right")]).code == 66)
    try
      "ID,left,right\na,data/images/0_left.jpg,data/images/0_right.jpg\nb,data/images/5_left.jpg,data/images/5_right.jpg\n"
      .write(toFile: place.path + "/list.csv", atomically: true, encoding: .utf8)
    let list = ["--list", place.path + "/list.csv", "--submission", table]
    #expect(try predict(list).code == 65)
    #expect(try predict(list + ["--on-bad-image", "skip"]).code == 0 && rows() == ["ID", "a"])
    #expect(try predict(list + ["--strict"]).code == 64)

    // Nobody is left.
    for patient in 0..<10 { try spoil([image("\(patient)_right")]) }
    let nobody = try predict(["--data", data, "--on-bad-image", "skip"], ranks: hasLauncher ? 2 : nil)
    #expect(nobody.code == 65 && nobody.errorLines.count == 1, "\(nobody.errors)")
    #expect(nobody.errorLines.first?.contains("no patient is left: 11 photographs cannot be used") == true)
  }
}
