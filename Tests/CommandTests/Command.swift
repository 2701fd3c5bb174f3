import Foundation
import Launching

/// Programs are built beside the tests.
let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path

let hasLauncher = Launcher.isInstalled

/// Whether the long tests were asked for.
let isLong = ProcessInfo.processInfo.environment["DMSNET_LONG_TESTS"] != nil

/// A run of the program.
struct Command {
  let code: Int32
  let output, errors: String

  /// Starts the program on `ranks` ranks (nil: without a launcher).
  static func start(
    _ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:], errors: FileHandle? = nil,
    output: Pipe? = nil
  ) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: ranks == nil ? "\(products)/dmsnet" : "/usr/bin/env")
    process.arguments = (ranks.map { Launcher.words(ranks: $0) + ["\(products)/dmsnet"] } ?? []) + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardError = errors ?? FileHandle.nullDevice
    process.standardOutput = output ?? FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    // The tests' threads block all signals, which a child would inherit.
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
    return process
  }

  /// Runs the program to its end.
  static func run(_ arguments: [String], ranks: Int? = nil, environment: [String: String] = [:]) throws -> Command {
    let log = NSTemporaryDirectory() + "dmsnet-\(UUID().uuidString).log"
    try Data().write(to: URL(fileURLWithPath: log))
    defer { try? FileManager.default.removeItem(atPath: log) }
    let pipe = Pipe()
    let process = try start(
      arguments, ranks: ranks, environment: environment, errors: FileHandle(forWritingAtPath: log), output: pipe)
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let errors = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
    return Command(code: process.terminationStatus, output: output, errors: errors)
  }

  /// Kills every process, launcher and ranks, that was started with a path below `folder`, as a power cut would.
  static func killAll(below folder: String) {
    _ = try? Process.run(URL(fileURLWithPath: "/usr/bin/env"), arguments: ["pkill", "-9", "-f", "\(folder)/"])
      .waitUntilExit()
  }

  /// Lines that report an error.
  var errorLines: [String] { errors.split(separator: "\n").map(String.init).filter { $0.hasPrefix("dmsnet: error:") } }
}

/// A folder with a small synthetic data set, gone with the test.
final class Place {
  let path = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a data set and returns its folder.
  func data(patients: Int = 24, format: String = "csv", name: String = "data") throws -> String {
    let made = try Command.run(
      [
        "synthesize", "--output", "\(path)/\(name)", "--patients", "\(patients)", "--size", "64", "--format", format,
        "--seed", "3",
      ])
    guard made.code == 0 else { throw CocoaError(.fileWriteUnknown) }
    return "\(path)/\(name)"
  }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

  func text(_ name: String) -> String { (try? String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)) ?? "" }

  func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: "\(path)/\(name)") }

  /// Steps that a run has told so far.
  func steps(_ run: String) -> Int {
    text("\(run)/metrics.jsonl").split(separator: "\n").count { !$0.contains("evaluation") }
  }
}

/// Options of a network that trains in a moment.
let tiny = [
  "--depth", "18", "--stem", "8", "--width", "32", "--embedding", "16", "--size", "64", "--batch", "4", "--micro-batch",
  "1",
  "--warmup", "4",
]
