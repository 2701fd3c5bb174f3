import Foundation
import Launching
import Testing

/// Ranks that stop, die or load for ever: named in one line, and nothing is left.
@Suite(.serialized, .enabled(if: hasLauncher, "mpirun is not installed"))
struct StallTests {
  private static let ranks = 4
  private static let code: Int32? = Launcher.isPatient ? 1 : nil

  /// A run on four ranks that has begun to train.
  private final class Run {
    let place: Place
    let process: Process
    private let log: FileHandle

    init(_ options: [String] = [], environment: (Place) -> [String: String] = { _ in [:] }) throws {
      place = try Place()
      let data = try place.data(patients: 24)
      try Data().write(to: URL(fileURLWithPath: "\(place.path)/errors.log"))
      log = try #require(FileHandle(forWritingAtPath: "\(place.path)/errors.log"))
      process = try Command.start(
        [
          "train", "--data", data, "--output", "\(place.path)/run", "--epochs", "9999", "--validation", "0",
          "--cache", "none", "--stall-timeout", "8",
        ] + tiny + options, ranks: StallTests.ranks, environment: environment(place), errors: log)
      while place.steps("run") < 3, process.isRunning { usleep(10_000) }
    }

    deinit { Command.killAll(below: place.path) }

    /// The process of rank `rank`.
    func rank(_ rank: Int) throws -> pid_t { try #require(try find(rank)) }

    private func find(_ rank: Int) throws -> pid_t? {
      let all = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
      return all.first { id in
        func text(_ name: String) -> String {
          String(decoding: FileManager.default.contents(atPath: "/proc/\(id)/\(name)") ?? Data(), as: UTF8.self)
        }
        return text("comm") == "dmsnet\n" && text("cmdline").contains("\(place.path)/run\0")
          && text("environ").split(separator: "\0").contains("\(Launcher.rankVariable)=\(rank)")
      }
    }

    /// Waits for the end, which must be that of a failed run; what was said.
    func end(_ code: Int32? = StallTests.code) throws -> [String] {
      process.waitUntilExit()
      #expect(process.terminationStatus != 0)
      #expect(code == nil || process.terminationStatus == code)
      for rank in 0..<StallTests.ranks { #expect(try find(rank) == nil, "rank \(rank) is left") }
      let lines = place.text("errors.log").split(separator: "\n").map(String.init)
      return lines.filter { $0.hasPrefix("dmsnet: error:") }
    }
  }

  @Test(arguments: 0..<ranks)
  func aStoppedRankIsNamed(_ rank: Int) throws {
    let run = try Run()
    let process = try run.rank(rank)
    kill(process, SIGSTOP)
    let lines = try run.end()
    #expect(lines.count == 1, "\(run.place.text("errors.log"))")
    for part in [
      "[rank \(rank) of 4 on ", "stalled: process \(process) has been stopped", "last step ", "the others wait in ",
    ] {
      #expect(lines.first?.contains(part) == true, "\(part): \(lines)")
      #expect(run.place.text("run/log.txt").contains(part))
    }
  }

  @Test func stoppedRanksAreNamedTogether() throws {
    let run = try Run()
    for rank in [0, 2] { kill(try run.rank(rank), SIGSTOP) }
    let lines = try run.end()
    #expect(lines.count == 2 && lines[0].contains("[rank 0 of 4") && lines[1].contains("[rank 2 of 4"), "\(lines)")
  }

  @Test(.enabled(if: Launcher.isPatient, "Hydra kills all at once"), arguments: [0, 3], [SIGKILL, SIGSEGV])
  func aRankThatDiesIsNamed(_ rank: Int, _ signal: Int32) throws {
    let run = try Run()
    let process = try run.rank(rank)
    kill(process, signal)
    let lines = try run.end(nil)
    #expect(lines.count == 1, "\(run.place.text("errors.log"))")
    #expect(lines.first?.contains("[rank \(rank) of 4 on ") == true && lines.first?.contains("is gone") == true)
    #expect(lines.first?.contains("process \(process) ") == true && lines.first?.contains("last step ") == true)
  }

  /// A file system that does not answer.
  @Test func aRankThatLoadsForEverIsNamed() throws {
    let run = try Run { place in
      ["LD_PRELOAD": "\(products)/libpoorfilesystem.so", "HANG_ON": "\(place.path)/data/images/3_left.jpg"]
    }
    try Data().write(to: URL(fileURLWithPath: "\(run.place.path)/data/images/3_left.jpg.hang"))
    let lines = try run.end()
    #expect(lines.contains { $0.contains("has been loading photographs for ") }, "\(run.place.text("errors.log"))")
  }

  /// A photograph that has become a named pipe is not even waited for.
  @Test func aNamedPipeIsRefused() throws {
    let run = try Run()
    let photograph = "\(run.place.path)/data/images/3_left.jpg"
    // Renamed into its place, lest a rank looks while nothing is there.
    mkfifo("\(run.place.path)/pipe", 0o600)
    rename("\(run.place.path)/pipe", photograph)
    let lines = try run.end(65)
    #expect(lines.count == 1 && lines[0].contains("3_left.jpg: a pipe, not a photograph"), "\(lines)")
  }

  /// All stopped, as a scheduler may, and then continued: nobody is to blame.
  @Test func aJobThatWasSuspendedGoesOn() throws {
    let run = try Run(["--stall-timeout", "4"])
    let all = try (0..<Self.ranks).map(run.rank)
    for process in all { kill(process, SIGSTOP) }
    sleep(8)
    for process in all { kill(process, SIGCONT) }
    let before = run.place.steps("run")
    while run.place.steps("run") < before + 5, run.process.isRunning { usleep(10_000) }
    kill(try run.rank(1), SIGUSR1)
    #expect(try run.end(75).first?.contains("stopped by a signal") == true)
  }

  /// Libraries that take a signal while MPI starts do not keep it.
  @Test func noLibraryTakesARanksSignal() throws {
    let run = try Run { _ in ["LD_PRELOAD": "\(products)/libsignaltaker.so"] }
    kill(try run.rank(1), SIGHUP)
    let before = run.place.steps("run")
    while run.place.steps("run") < before + 50, run.process.isRunning { usleep(10_000) }
    #expect(!run.process.isRunning)
    kill(run.process.processIdentifier, SIGTERM)
    #expect(try run.end(75).first?.contains("stopped by a signal") == true)
  }

  /// Asked on one rank, all say where they are, and go on.
  @Test func everyRankSaysWhereItIs() throws {
    let run = try Run()
    kill(try run.rank(2), SIGQUIT)
    func told() -> [String] {
      let lines = run.place.text("errors.log").split(separator: "\n").map(String.init)
      return (0..<Self.ranks).compactMap { rank in
        lines.first { $0.contains("[rank \(rank) of 4") && $0.contains(" done, ") && $0.contains(" collective ") }
      }
    }
    while told().count < Self.ranks, run.process.isRunning { usleep(10_000) }
    let before = run.place.steps("run")
    while run.place.steps("run") < before + 3, run.process.isRunning { usleep(10_000) }
    #expect(run.process.isRunning && told().count == Self.ranks)
    kill(try run.rank(0), SIGTERM)
    _ = try run.end(75)
  }
}
