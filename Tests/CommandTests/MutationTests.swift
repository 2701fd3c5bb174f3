import Foundation
import Testing

/// Damaged files and values that are no use, under a limit of memory: no trap, no hang, a code of the table, at most two lines.
@Suite(.serialized)
struct MutationTests {
  /// Damaged inputs of each kind.
  private static let count = isLong ? 375 : 12

  private static let parity = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Parity/fixtures").path

  /// Runs the program with 8 GB of memory and 60 seconds.
  private func run(_ arguments: [String], _ place: Place, _ what: String) throws {
    let log = "\(place.path)/log"
    let process = Process()
    // What a mutated path names lies here.
    process.currentDirectoryURL = URL(fileURLWithPath: place.path)
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments =
      [
        "-c", "ulimit -v 8000000; exec timeout -s KILL 60 \"$@\" >/dev/null 2>\"\(log)\" </dev/null", "sh",
        "\(products)/dmsnet",
      ]
      + arguments.map { String($0.prefix { $0 != "\u{0}" }) }
    try process.run()
    process.waitUntilExit()
    let said = place.text("log").split(separator: "\n", omittingEmptySubsequences: true)
    let code = process.terminationStatus
    #expect([0, 1, 64, 65, 66, 73, 74, 75].contains(code), "\(what): code \(code), \(arguments), \(said.suffix(3))")
    let errors = said.drop { !$0.hasPrefix("dmsnet: error:") }
    #expect(code == 0 || (1...2).contains(errors.count), "\(what): \(errors.prefix(4))")
    #expect(errors.allSatisfy { $0.utf8.count < 4000 }, "\(what): a line of \(errors.map(\.utf8.count)) bytes")
  }

  /// A data set and a run of it, made once a test.
  private func prepared() throws -> (place: Place, data: String) {
    let place = try Place()
    let data = try place.data(patients: 8, format: "csv")
    _ = try place.data(patients: 8, format: "xlsx", name: "book")
    let done = try Command.run(["train", "--data", data, "--output", "\(place.path)/run", "--epochs", "1"] + tiny)
    guard done.code == 0 else { throw CocoaError(.fileReadUnknown) }
    return (place, data)
  }

  private func damage(_ source: String, _ target: String, seed: Int) throws {
    var mutation = Mutation(seed: seed)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: source))
    try mutation.damaged(bytes).write(to: URL(fileURLWithPath: target))
  }

  @Test func photographs() throws {
    let (place, data) = try prepared()
    let (damaged, right) = ("\(place.path)/damaged.jpg", "\(data)/images/0_right.jpg")
    for seed in 0..<Self.count {
      try damage("\(data)/images/\(seed % 8)_left.jpg", damaged, seed: seed)
      try run(["predict", "--checkpoint", "\(place.path)/run", damaged, right], place, "photograph, seed \(seed)")
    }
  }

  @Test(arguments: ["csv", "xlsx"])
  func tables(_ format: String) throws {
    let (place, data) = try prepared()
    let source = format == "csv" ? "\(data)/annotations.csv" : "\(place.path)/book/annotations.xlsx"
    let damaged = "\(place.path)/damaged.\(format)"
    for seed in 0..<Self.count {
      try damage(source, damaged, seed: seed)
      let arguments = ["evaluate", "--data", data, "--annotations", damaged, "--checkpoint", "\(place.path)/run"]
      try run(arguments, place, "\(format), seed \(seed)")
    }
  }

  @Test func filesOfOptions() throws {
    let (place, data) = try prepared()
    let damaged = "\(place.path)/damaged.yaml"
    for seed in 0..<Self.count {
      try damage("\(place.path)/run/config.yaml", damaged, seed: seed)
      // What would only take long stays small.
      let small = [
        "--data", data, "--size", "64", "--depth", "18", "--epochs", "1", "--threads", "1", "--workers", "1",
      ]
      try? FileManager.default.removeItem(atPath: "\(place.path)/new")
      try run(["train", "--config", damaged, "--output", "\(place.path)/new"] + small, place, "YAML, seed \(seed)")
    }
  }

  @Test func values() throws {
    let (place, data) = try prepared()
    let help = try Command.run(["train", "--help"]).output
    let names = help.split(separator: "\n").compactMap { line in
      line.trimmingPrefix(while: \.isWhitespace).hasPrefix("--")
        ? line.split(separator: " ").first.map { String($0.dropFirst(2)) } : nil
    }
    #expect(names.count > 40)
    for seed in 0..<Self.count {
      var mutation = Mutation(seed: seed)
      try? FileManager.default.removeItem(atPath: "\(place.path)/new")
      var arguments = ["train", "--data", data, "--output", "\(place.path)/new"] + tiny + ["--epochs", "1"]
      for _ in 0...mutation.below(2) {
        arguments += ["--\(mutation.pick(names))", mutation.pick(Mutation.extremes)]
      }
      // Relative paths of other options lead into the place.
      try run(arguments.map { $0 == "." ? place.path : $0 }, place, "value, seed \(seed)")
    }
  }

  @Test func statesOfCheckpoints() throws {
    let (place, data) = try prepared()
    let copy = "\(place.path)/copy"
    for seed in 0..<Self.count {
      try? FileManager.default.removeItem(atPath: copy)
      try FileManager.default.copyItem(atPath: "\(place.path)/run", toPath: copy)
      try damage("\(place.path)/run/checkpoints/last/state.json", "\(copy)/checkpoints/last/state.json", seed: seed)
      try run(["evaluate", "--checkpoint", copy, "--data", data], place, "state, seed \(seed)")
      try run(["train", "--output", copy, "--resume", "--epochs", "2"], place, "resumed state, seed \(seed)")
    }
  }

  /// Damages a safetensors file, mostly in its header, which is what is read before anything is believed.
  private func damagedHeader(_ whole: Data, seed: Int) -> Data {
    let header = 8 + Int(whole.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    var mutation = Mutation(seed: seed)
    if mutation.below(4) == 0 { return mutation.damaged(whole) }
    return mutation.damaged(whole.prefix(header)) + whole.dropFirst(header)
  }

  @Test func weights() throws {
    let (place, data) = try prepared()
    let damaged = "\(place.path)/damaged.safetensors"
    var whole = try #require(place.bytes("run/checkpoints/last/model.safetensors"))
    // The trunk's tensors under torchvision's names, in a header of the same length.
    while let name = whole.range(of: Data("\"trunk.".utf8)) {
      whole.replaceSubrange(name, with: Data("      \"".utf8))
    }
    try whole.write(to: URL(fileURLWithPath: damaged))
    let arguments = ["train", "--data", data, "--epochs", "1", "--pretrained", damaged] + tiny
    let good = try Command.run(arguments + ["--output", "\(place.path)/good"])
    #expect(good.code == 0 && good.errors.contains("start from"), "\(good.errors)")
    for seed in 0..<Self.count {
      try damagedHeader(whole, seed: seed).write(to: URL(fileURLWithPath: damaged))
      try? FileManager.default.removeItem(atPath: "\(place.path)/new")
      try run(arguments + ["--output", "\(place.path)/new"], place, "weights, seed \(seed)")
    }
  }

  @Test func fixtures() throws {
    let place = try Place()
    let damaged = "\(place.path)/damaged.safetensors"
    let whole = try Data(contentsOf: URL(fileURLWithPath: "\(Self.parity)/without-casfm.safetensors"))
    for seed in 0..<Self.count {
      try damagedHeader(whole, seed: seed).write(to: URL(fileURLWithPath: damaged))
      try run(["check", damaged], place, "fixture, seed \(seed)")
    }
  }
}
