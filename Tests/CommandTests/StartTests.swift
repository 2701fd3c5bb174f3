import Foundation
import Testing

/// What holds from the first instruction on.
@Suite(.serialized)
struct StartTests {
  /// A signal soon after the start never ends `train`; before that the system loads libraries, and nobody can listen.
  @Test(arguments: [SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGXCPU])
  func noSignalIsMissed(_ number: Int32) throws {
    let place = try Place()
    let data = try place.data(patients: 10)
    for delay in stride(from: 100, through: 400, by: 100) {
      let run = "\(place.path)/run-\(delay)"
      let process = try Command.start(["train", "--data", data, "--output", run, "--epochs", "3000"] + tiny)
      usleep(UInt32(delay) * 1000)
      kill(process.processIdentifier, number)
      process.waitUntilExit()
      #expect(process.terminationReason == .exit && process.terminationStatus == 75, "after \(delay) ms")
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
