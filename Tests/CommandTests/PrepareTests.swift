import Foundation
import Fundus
import Testing

/// The pair cache, through the program.
@Suite(.serialized)
struct PrepareTests {
  /// The caches below a folder, whole and half made.
  private func caches(_ place: Place, _ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "\(place.path)/\(folder)")) ?? [])
      .filter { !$0.hasSuffix(".lock") }
  }

  private func train(_ place: Place, _ run: String, _ arguments: [String] = [], ranks: Int? = nil) throws -> Command {
    try Command.run(
      ["train", "--data", "\(place.path)/data", "--output", "\(place.path)/\(run)", "--epochs", "1"] + tiny + arguments,
      ranks: ranks)
  }

  private func weights(_ place: Place, _ run: String) -> Data? {
    place.bytes("\(run)/checkpoints/last/model.safetensors")
  }

  @Test func aRunFromTheCacheIsTheSame() throws {
    let place = try Place()
    _ = try place.data()
    let decoded = try train(place, "decoded", ["--cache", "none"])
    #expect(decoded.code == 0 && caches(place, "data/.dmsnet").isEmpty, "\(decoded.errors)")
    let prepared = try Command.run(["prepare", "--data", "\(place.path)/data", "--size", "64", "--depth", "50"])
    #expect(prepared.code == 0 && prepared.errors.contains("preparing 24 pairs: "), "\(prepared.errors)")
    #expect(caches(place, "data/.dmsnet").count == 1)
    let cached = try train(place, "cached")
    #expect(cached.code == 0 && cached.errors.contains("pairs come from \(place.path)/data/.dmsnet/64-"))
    #expect(!cached.errors.contains("preparing"), "\(cached.errors)")
    #expect(weights(place, "cached") != nil && weights(place, "cached") == weights(place, "decoded"))
    let elsewhere = try train(place, "elsewhere", ["--cache", "\(place.path)/caches"], ranks: hasLauncher ? 2 : nil)
    #expect(elsewhere.code == 0 && caches(place, "caches").count == 1, "\(elsewhere.errors)")
    #expect(elsewhere.errors.components(separatedBy: "preparing 24 pairs").count == 2, "\(elsewhere.errors)")

    // A photograph is replaced.
    let images = "\(place.path)/data/images"
    try FileManager.default.removeItem(atPath: images + "/7_left.jpg")
    try FileManager.default.copyItem(atPath: images + "/8_left.jpg", toPath: images + "/7_left.jpg")
    let other = try train(place, "other")
    #expect(other.code == 0 && other.errors.contains("is made anew: \(images)/7_left.jpg has changed"))
    #expect(try train(place, "check", ["--cache", "none"]).code == 0)
    #expect(weights(place, "other") == weights(place, "check") && weights(place, "other") != weights(place, "cached"))
    let arguments = ["--checkpoint", "\(place.path)/other", "--data", "\(place.path)/data", "--json"]
    for command in ["evaluate", "predict"] {
      let done = try Command.run([command] + arguments)
      #expect(done.code == 0 && done.errors.contains("pairs come from"), "\(done.errors)")
      let without = try Command.run([command] + arguments + ["--cache", "none"])
      #expect(without.code == 0 && !without.errors.contains("pairs come from") && without.output == done.output)
    }
  }

  /// Cut short anywhere, a cache is of no use, which is said in one line, and is made anew.
  @Test func aCacheThatWasCutShortIsMadeAnew() throws {
    let place = try Place()
    _ = try place.data(patients: 10)
    #expect(try train(place, "first").code == 0)
    let folder = "data/.dmsnet/" + (try #require(caches(place, "data/.dmsnet").first))
    var random = Mutation(seed: 5)
    for name in ["pairs.bin", "index.csv", "header.json"] {
      let whole = try #require(place.bytes("\(folder)/\(name)"))
      let count = random.below(whole.count)
      try whole.prefix(count).write(to: URL(fileURLWithPath: "\(place.path)/\(folder)/\(name)"))
      let done = try train(place, name)
      let lines = done.errors.split(separator: "\n").filter { $0.contains("of no use") }
      #expect(done.code == 0 && lines.count == 1 && lines[0].contains("\(folder)/\(name)"), "\(count): \(done.errors)")
      #expect(weights(place, name) == weights(place, "first"))
      let again = place.bytes("\(folder)/pairs.bin")
      #expect(again != nil && (name != "pairs.bin" || again == whole))
    }
  }

  /// Two at once, and one that is killed: either a whole cache is there, or none.
  @Test func concurrentAndKilledPreparationsLeaveWholeCaches() throws {
    let place = try Place()
    let data = try place.data(patients: 300)
    let arguments = ["prepare", "--data", data, "--size", "512"]
    let first = try Command.start(arguments)
    let second = try Command.start(arguments)
    [first, second].forEach { $0.waitUntilExit() }
    #expect(first.terminationStatus == 0 && second.terminationStatus == 0)
    #expect(caches(place, "data/.dmsnet").count == 1)

    let other = ["prepare", "--data", data, "--size", "1024"]
    let killed = try Command.start(other)
    while !caches(place, "data/.dmsnet").contains(where: { $0.hasSuffix(".part") }), killed.isRunning { usleep(1000) }
    kill(killed.processIdentifier, SIGKILL)
    killed.waitUntilExit()
    let again = try Command.run(other)
    #expect(again.code == 0, "\(again.errors)")
    #expect(caches(place, "data/.dmsnet").filter { $0.hasPrefix("1024-") }.count == 1)
    #expect(caches(place, "data/.dmsnet").allSatisfy { !$0.hasSuffix(".part") })
  }

  @Test func placesThatCannotBeWrittenAreSaid() throws {
    let place = try Place()
    let data = try place.data()
    // Not even root writes below a file.
    try "taken".write(toFile: data + "/.dmsnet", atomically: true, encoding: .utf8)
    let trained = try train(place, "run")
    #expect(trained.code == 0 && trained.errors.contains("photographs are decoded every time"), "\(trained.errors)")
    let prepared = try Command.run(["prepare", "--data", data, "--size", "64"])
    #expect(prepared.code == 73 && prepared.errorLines.count == 1 && prepared.errors.contains("--cache DIR"))
    let named = try train(place, "named", ["--cache", data + "/annotations.csv"])
    #expect(named.code == 73 && named.errorLines.count == 1 && !place.exists("named"), "\(named.errors)")
    for (arguments, what) in [
      (["--data", data, "--cache", "none"], "--cache is none"), ([], "--data DIR is missing"),
      (["--data", data, "--circle", "-1"], "--circle is -1"), (["--data", data, "--sizes", "1"], "--size?"),
    ] {
      let refused = try Command.run(["prepare"] + arguments)
      #expect(refused.code == 64 && refused.errors.contains(what), "\(refused.errors)")
    }
  }

  @Test func aFullDiskLeavesNothing() throws {
    let place = try Place()
    let data = try place.data(patients: 60)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    // A limit on files' sizes, in blocks of 512 or 1024 bytes.
    process.arguments = [
      "-c", "trap '' XFSZ; ulimit -f 1000; exec '\(products)/dmsnet' prepare --data '\(data)' --size 224",
    ]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 74 && caches(place, "data/.dmsnet").isEmpty)
  }

  @Test func aContactSheetShowsPairs() throws {
    let place = try Place()
    let data = try place.data(patients: 20)
    let sheet = "\(place.path)/sheet.jpg"
    let options = [
      "prepare", "--data", data, "--size", "64x96", "--rotation", "90", "--mixup", "0.4", "--zoom", "0.9", "1.1",
    ]
    let done = try Command.run(options + ["--contact-sheet", sheet])
    #expect(done.code == 0 && done.errors.contains("sheet.jpg: 12 pairs"), "\(done.errors)")
    let picture = try Photograph(path: sheet)
    // Four pairs of two pictures beside one another, twelve below, a line of text above each.
    #expect(picture.width == 4 * (2 * 96 + 8) && picture.height == 18 + 12 * (18 + 64 + 8))
    for bad in [place.path, "\(place.path)/nowhere/sheet.jpg"] {
      let refused = try Command.run(options + ["--contact-sheet", bad])
      #expect(refused.code == 73 && refused.errorLines.count == 1, "\(refused.errors)")
    }
  }
}
