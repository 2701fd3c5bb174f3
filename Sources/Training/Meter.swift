import Foundation
import Synchronization

/// How far a piece of work is: done, rate and time left, from any thread.
final class Meter: Sendable {
  private let total: Int
  private let unit: String
  private let isSpeaking, isTerminal: Bool
  private let started = Date()
  private let spoken = Mutex(Date())

  init(total: Int, unit: String, isSpeaking: Bool, isTerminal: Bool) {
    (self.total, self.unit, self.isSpeaking, self.isTerminal) = (total, unit, isSpeaking, isTerminal)
  }

  /// Time since the start, and the rate of all parts in it, for people.
  var summary: String {
    let seconds = Date().timeIntervalSince(started)
    return "\(Progress.duration(seconds)), \(String(format: "%.0f", Double(total) / max(seconds, 1e-3))) \(unit)/s"
  }

  /// `count` parts are done.
  func done(_ count: Int) {
    guard isSpeaking else { return }
    let now = Date()
    let isDue = spoken.withLock { spoken in
      guard now.timeIntervalSince(spoken) >= (isTerminal ? 0.2 : Progress.interval) else { return false }
      spoken = now
      return true
    }
    if isTerminal, count == total { StandardError.write("\r\u{1B}[K") }
    guard isDue, count < total else { return }
    let rate = Double(count) / now.timeIntervalSince(started)
    let left = Progress.duration(Double(total - count) / rate)
    let line = "\(count)/\(total) \(unit)  \(String(format: "%.0f", rate)) \(unit)/s  \(left) left"
    StandardError.write(isTerminal ? "\r\u{1B}[K" + line : line + "\n")
  }
}
