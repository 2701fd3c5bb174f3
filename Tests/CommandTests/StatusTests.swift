import Foundation
import Testing

/// What `status` says of a run, after each way in which a run may stand.
struct StatusTests {
  private func word(_ place: Place, _ run: String = "run") throws -> String {
    let said = try Command.run(["status", "--output", "\(place.path)/\(run)"])
    let codes: [Int32: String] = [0: "finished", 75: "resumable", 1: "failed", 73: "running"]
    let word = said.output.trimmingCharacters(in: .whitespacesAndNewlines)
    #expect(codes[said.code] == word, "\(said.code) \(word) \(said.errors)")
    return word
  }

  @Test func aRunIsFollowedThroughItsLife() throws {
    let place = try Place()
    /// Two steps more of a run, and a signal.
    func interrupt(_ arguments: [String], by signal: Int32, while check: () throws -> Void = {}) throws {
      let before = place.steps("run")
      let process = try Command.start(arguments)
      while place.steps("run") < before + 2 && process.isRunning { usleep(2000) }
      try check()
      kill(process.processIdentifier, signal)
      process.waitUntilExit()
    }
    let train = ["train", "--data", try place.data(), "--output", "\(place.path)/run", "--epochs", "3000"] + tiny
    try interrupt(train, by: SIGTERM) { try #expect(word(place) == "running") }
    #expect(try word(place) == "resumable")
    let resume = ["train", "--output", "\(place.path)/run", "--resume", "--epochs"]
    try interrupt(resume + ["3000"], by: SIGKILL)
    #expect(try word(place) == "resumable")
    #expect(try Command.run(resume + ["1"]).code == 0)
    #expect(try word(place) == "finished")
    // It goes on, and is what it was again.
    try interrupt(resume + ["9999"], by: SIGKILL)
    #expect(try word(place) == "resumable")
  }

  /// An error that another start would meet again, on all ranks or on one of them, is there to be read.
  @Test(arguments: hasLauncher ? [nil, 2] : [nil])
  func aFailureStays(_ ranks: Int?) throws {
    let place = try Place()
    let data = try place.data()
    let process = try Command.start(
      ["train", "--data", data, "--output", "\(place.path)/run", "--epochs", "9999", "--cache", "none"] + tiny,
      ranks: ranks)
    while place.steps("run") < 2 && process.isRunning { usleep(1000) }
    try FileManager.default.removeItem(atPath: "\(data)/images/3_left.jpg")
    process.waitUntilExit()
    #expect(try word(place) == "failed")
    let said = try Command.run(["status", "--output", "\(place.path)/run", "--json"])
    #expect(try (said.object["error"] as? String)?.contains("3_left.jpg") == true, "\(said.output)")
  }
}
