import Foundation
import Testing

/// Output that cannot be written: results that are lost are an error, messages that are lost are none.
@Suite(.serialized)
struct OutputTests {
  private static let fixture =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    + "/Parity/fixtures/without-casfm.safetensors"

  /// Runs `script`, in which `$D` is the program, in a folder of its own.
  private func shell(_ script: String, in place: Place) throws -> (code: Int32, errors: String) {
    let log = place.path + "/errors"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", script]
    process.currentDirectoryURL = URL(fileURLWithPath: place.path)
    process.environment = ProcessInfo.processInfo.environment.merging(["D": "\(products)/dmsnet"]) { $1 }
    try Data().write(to: URL(fileURLWithPath: log))
    process.standardError = FileHandle(forWritingAtPath: log)
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
  }

  private func trained(_ place: Place) throws -> String {
    let data = try place.data(patients: 10)
    let run = try Command.run(["train", "--data", data, "--output", place.path + "/run", "--epochs", "1"] + tiny)
    try #require(run.code == 0, "\(run.errors)")
    return data
  }

  @Test func resultsThatAreLostAreAnError() throws {
    let place = try Place()
    _ = try trained(place)
    for command in [
      "predict --checkpoint run --data data", "predict --checkpoint run --data data --json",
      "evaluate --checkpoint run --data data --json", "check '\(Self.fixture)'", "doctor", "doctor --json",
      "benchmark step --depth 18 --size 64 --batch 1 --steps 1 --warmup 0", "--help", "train --help", "--version",
    ] {
      for (target, why) in [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")] {
        let done = try shell("$D \(command) \(target)", in: place)
        #expect(done.code == 74, "\(command) \(target): \(done.errors)")
        #expect(done.errors.contains("dmsnet: error: standard output: cannot write: \(why)\n"), "\(done.errors)")
      }
    }
    // A reader that went away.
    let piped = try shell("{ $D --help; echo $? > code; } | :", in: place)
    #expect(piped.code == 0 && ["74\n", "0\n"].contains(place.text("code")))
  }

  @Test func messagesThatAreLostEndNothing() throws {
    let place = try Place()
    _ = try place.data(patients: 10)
    let train = "$D train --data data --epochs 2 \(tiny.joined(separator: " "))"
    for (name, target) in [("full", "2> /dev/full"), ("closed", "2>&-"), ("all", ">&- 2>&- <&-")] {
      let done = try shell("\(train) --output \(name) \(target)", in: place)
      #expect(done.code == 0, "\(target): \(done.errors)")
      #expect(place.exists("\(name)/metrics.json") && place.text("\(name)/log.txt").contains("epoch 2/2"))
    }
    let piped = try shell("{ \(train) --output piped; echo $? > code; } 2>&1 >/dev/null | :", in: place)
    #expect(piped.code == 0 && place.text("code") == "0\n")
    // An error without a reader keeps its code.
    #expect(try shell("$D check nowhere 2>&-", in: place).code == 66)
  }

  /// Descriptors that are closed at the start are given to no file: the first that is opened would otherwise get messages.
  @Test func noFileGetsAStandardDescriptor() throws {
    let place = try Place()
    _ = try place.data(patients: 10)
    let done = try shell(
      "$D train --data data --output run --epochs 1 \(tiny.joined(separator: " ")) <&- >&- 2>&-", in: place)
    #expect(done.code == 0)
    let files = try FileManager.default.subpathsOfDirectory(atPath: place.path + "/run").filter { $0 != "log.txt" }
    for file in files where !file.hasSuffix(".safetensors") {
      #expect(!place.text("run/\(file)").contains("patients train"), "\(file)")
    }
  }

  /// A limit on files' sizes: one line, and the last whole checkpoint stays.
  @Test func aLimitOnFilesEndsARunInGoodOrder() throws {
    let place = try Place()
    let data = try place.data()
    // Blocks of 512 bytes in sh: a checkpoint's largest file, the optimizer's, does not fit; before it two epochs' metrics do.
    let whole = try Command.run(["train", "--data", data, "--output", place.path + "/run", "--epochs", "1"] + tiny)
    #expect(whole.code == 0, "\(whole.errors)")
    let size = try #require(place.bytes("run/checkpoints/last/optimizer.safetensors")?.count)
    let done = try shell("ulimit -f \(size / 512 - 8); $D train --output run --resume --epochs 3", in: place)
    #expect(done.code == 74, "\(done.errors)")
    #expect(done.errors.split(separator: "\n").count { $0.hasPrefix("dmsnet: error:") } == 1)
    #expect(done.errors.contains("cannot write: File too large"), "\(done.errors)")
    #expect(try Command.run(["evaluate", "--checkpoint", place.path + "/run", "--data", data]).code == 0)
  }

  @Test func onlyRegularFilesAreReplaced() throws {
    let place = try Place()
    _ = try trained(place)
    let made = try shell("echo old > target; ln -s target link; mkfifo pipe; mkdir folder", in: place)
    #expect(made.code == 0)
    let benchmark = "benchmark inference --depth 18 --size 64 --batch 1 --steps 1 --warmup 0"
    for command in ["predict --checkpoint run --data data --submission", "\(benchmark) --json", "\(benchmark) --trace"]
    {
      for (target, what) in [
        ("link", "a symbolic link"), ("pipe", "a named pipe"), ("folder", "a folder"), ("/dev/null", "a device"),
      ] {
        let done = try shell("$D \(command) \(target)", in: place)
        #expect(
          done.code == 73 && done.errors == "dmsnet: error: \(target): is \(what), not a regular file\n",
          "\(command): \(done.errors)")
      }
      #expect(place.text("target") == "old\n")
      #expect(try shell("$D \(command) target", in: place).code == 0)
      #expect(place.text("target") != "old\n")
      try "old\n".write(toFile: place.path + "/target", atomically: false, encoding: .utf8)
    }
    let evaluated = try shell(
      "mkdir out; ln -s ../target out/metrics.json; $D evaluate --checkpoint run --data data --output out", in: place)
    #expect(evaluated.code == 73 && place.text("target") == "old\n", "\(evaluated.errors)")
  }

  /// Names that would move the cursor, and long ones.
  @Test func errorsAreAtMostTwoLines() throws {
    let place = try Place()
    for name in ["a\nb\u{1B}[2Jc\rd", String(repeating: "long/", count: 3000), "\u{202E}gpj.tfel"] {
      let done = try Command.run(["check", place.path + "/" + name])
      #expect([65, 66].contains(done.code))
      let lines = done.errors.split(separator: "\n", omittingEmptySubsequences: false)
      #expect(lines.count == 2 && lines[1].isEmpty && lines[0].unicodeScalars.count <= 1000, "\(done.errors)")
      #expect(!done.errors.dropLast().unicodeScalars.contains { $0.value < 32 || $0.value == 0x202E })
    }
    let usage = try Command.run(["synthesize", "--output", "x", "--format", "a\nb"])
    #expect(usage.code == 64 && usage.errors.split(separator: "\n").count == 1, "\(usage.errors)")
  }
}
