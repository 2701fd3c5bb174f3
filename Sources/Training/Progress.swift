import Foundation

/// What a run tells people on standard error: one moving line on a terminal, plain lines elsewhere; rank 0 alone talks.
public final class Progress {
  private let isSpeaking: Bool
  private let isTerminal = isatty(2) == 1
  private var log: ((String) -> Void)?
  /// Lines said before there was a log.
  private var early: [String] = []
  private var started = Date()
  private var spoken = Date.distantPast
  private var (first, total) = (0, 0)
  private var isLineOpen = false

  /// Seconds between plain lines.
  static let interval = 10.0

  /// A talker; `isSpeaking`: whether this rank is the one that talks.
  public init(isSpeaking: Bool) { self.isSpeaking = isSpeaking }

  /// From now on `log` hears every full line, those said before first.
  public func write(to log: @escaping (String) -> Void) {
    early.forEach(log)
    (early, self.log) = ([], log)
  }

  /// A full line.
  public func say(_ line: String) {
    guard isSpeaking else { return }
    let line = line.escaped(keepingLines: true)
    StandardError.write((isLineOpen ? "\r\u{1B}[K" : "") + line + "\n")
    isLineOpen = false
    if let log { log(line) } else { early.append(line) }
  }

  /// What tells how far a piece of work of `total` parts is.
  func meter(of total: Int, _ unit: String) -> Meter {
    Meter(total: total, unit: unit, isSpeaking: isSpeaking, isTerminal: isTerminal)
  }

  /// Steps begin at `step` of `total`.
  func begin(at step: Int, of total: Int) {
    (first, self.total, started) = (step, total, Date())
  }

  /// A step is done.
  func step(_ step: Int, loss: Double, pairs: Int, seconds: Double) {
    guard isSpeaking else { return }
    let now = Date()
    guard isTerminal || now.timeIntervalSince(spoken) >= Self.interval || step == total else { return }
    spoken = now
    let left = now.timeIntervalSince(started) / Double(max(1, step - first)) * Double(total - step)
    let line =
      "step \(step)/\(total)  loss \(String(format: "%.4f", loss))  "
      + "\(String(format: "%.1f", Double(pairs) / seconds)) pairs/s  \(Self.duration(left)) left"
    if isTerminal {
      StandardError.write("\r\u{1B}[K" + line)
      isLineOpen = true
    } else {
      say(line)
    }
  }

  /// An epoch was evaluated.
  func epoch(_ epoch: Int, of epochs: Int, _ report: Report, monitor: String, isBest: Bool, isLast: Bool) {
    var keys = ["kappa", "recall", "accuracy", "auc"]
    if !keys.contains(monitor) { keys.append(monitor) }
    let texts = keys.map { key in "  \(key) " + (report.value(key).map { String(format: "%.4f", $0) } ?? "-") }
    say("epoch \(epoch)/\(epochs)\(texts.joined())" + (isBest ? "  best" : ""))
    if isLast { say(report.table) }
  }

  /// For example "2:05:09" or "4:30".
  public static func duration(_ seconds: Double) -> String {
    let whole = Int(max(0, seconds.isFinite ? seconds : 0))
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    return hours > 0 ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
  }
}
