import Foundation
import Testing

/// What holds from the first instruction on.
@Suite(.serialized)
struct StartTests {
  /// A signal that comes while the system still loads the program's libraries waits. The loader is held by what it tells of its work,
  /// which fills a pipe that nobody reads.
  @Test(arguments: [SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGXCPU])
  func noSignalIsMissedByTheLoader(_ number: Int32) throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let messages = Pipe()
    let process = try Command.start(
      ["train", "--data", data, "--output", place.path + "/run", "--epochs", "3000"] + tiny,
      environment: ["LD_DEBUG": "files,symbols"], errors: messages.fileHandleForWriting)
    try messages.fileHandleForWriting.close()
    let first = try messages.fileHandleForReading.read(upToCount: 1)
    #expect(first?.count == 1)
    kill(process.processIdentifier, number)
    usleep(20_000)
    #expect(process.isRunning)
    _ = try messages.fileHandleForReading.readToEnd()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 75)
  }

  /// A signal soon after the start never ends `train`.
  @Test(arguments: [SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGXCPU])
  func noSignalIsMissed(_ number: Int32) throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    for delay in [10, 100, 200, 400] {
      let run = "\(place.path)/run-\(delay)"
      let process = try Command.start(["train", "--data", data, "--output", run, "--epochs", "3000"] + tiny)
      usleep(UInt32(delay) * 1000)
      kill(process.processIdentifier, number)
      process.waitUntilExit()
      #expect(process.terminationReason == .exit && process.terminationStatus == 75, "after \(delay) ms")
    }
  }

  /// However it is started, the program finds its own file and has its own name in lists of processes.
  @Test func itKnowsItsFileAndName() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    try FileManager.default.createSymbolicLink(
      atPath: place.path + "/another", withDestinationPath: products + "/dmsnet")
    let train = (["train", "--data", data, "--epochs", "3000"] + tiny).joined(separator: " ")
    for (number, command) in [
      "cd \(products) && exec ./dmsnet", "PATH=\(products):$PATH; exec dmsnet", "exec \(place.path)/another",
    ]
    .enumerated() {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", "\(command) \(train) --output \(place.path)/\(number) 2>/dev/null"]
      try process.run()
      while place.steps("\(number)") < 1 && process.isRunning { usleep(2000) }
      let name = try String(contentsOfFile: "/proc/\(process.processIdentifier)/comm", encoding: .utf8)
      #expect(name == "dmsnet\n")
      kill(process.processIdentifier, SIGTERM)
      process.waitUntilExit()
      #expect(process.terminationStatus == 75)
    }
  }

  @Test func aSecondInterruptEndsAtOnce() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let process = try Command.start(
      ["train", "--data", data, "--output", place.path + "/run", "--epochs", "3000"] + tiny)
    while place.steps("run") < 1 && process.isRunning { usleep(2000) }
    kill(process.processIdentifier, SIGINT)
    kill(process.processIdentifier, SIGINT)
    process.waitUntilExit()
    // The second may come after the run has ended in good order.
    #expect(process.terminationReason == .exit && [130, 75].contains(process.terminationStatus))
  }

  /// Libraries that take a signal when they are loaded do not keep it.
  @Test func noLibraryTakesASignal() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    let process = try Command.start(
      ["train", "--data", data, "--output", place.path + "/run", "--epochs", "3000"] + tiny,
      environment: ["LD_PRELOAD": "\(products)/libsignaltaker.so"])
    while place.steps("run") < 1 && process.isRunning { usleep(2000) }
    kill(process.processIdentifier, SIGHUP)
    let steps = place.steps("run")
    while process.isRunning, place.steps("run") < steps + 50 { usleep(2000) }
    #expect(!process.isRunning)
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationStatus == 75)
  }

  /// `nohup` ignores the end of a session, and so does what it starts; other commands end by a signal as any program does.
  @Test func whatWasIgnoredStaysIgnored() throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    signal(SIGHUP, SIG_IGN)
    let process = try Command.start(
      ["train", "--data", data, "--output", place.path + "/run", "--epochs", "3000"] + tiny)
    signal(SIGHUP, SIG_DFL)
    while place.steps("run") < 1 && process.isRunning { usleep(2000) }
    kill(process.processIdentifier, SIGHUP)
    let steps = place.steps("run")
    while place.steps("run") < steps + 3 && process.isRunning { usleep(2000) }
    #expect(process.isRunning)
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationStatus == 75)

    let other = try Command.start(["benchmark", "step", "--depth", "152", "--steps", "500"])
    usleep(200_000)
    kill(other.processIdentifier, SIGTERM)
    other.waitUntilExit()
    #expect(other.terminationReason == .uncaughtSignal && other.terminationStatus == SIGTERM)
  }
}
