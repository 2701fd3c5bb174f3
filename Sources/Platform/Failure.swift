import Foundation

/// What went wrong, in one line a person can act on, with the exit code a script can act on.
///
/// The message names the file, row, tensor, step or rank concerned; `hint` is a second line where one more thing helps.
public struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The classes of failure; raw values are the exit codes of the program (sysexits).
  public enum Kind: Int32, Sendable {
    /// The run failed: not finite, replicas differ, a rank lost or stalled.
    case run = 1
    /// Wrong usage: an option, a value, a YAML key, more ranks than pairs.
    case usage = 64
    /// Bad data: annotation, image, weights, checkpoint.
    case data = 65
    /// An input is missing.
    case missing = 66
    /// The output cannot be made: not writable, another run's, in use.
    case output = 73
    /// Reading or writing failed on the way.
    case inputOutput = 74
    /// Stopped by a signal after a checkpoint; start again to go on.
    case stopped = 75
  }

  /// The class, and so the exit code.
  public let kind: Kind
  /// One line, without a trailing full stop.
  public let message: String
  /// A second line that says what would help, if something would.
  public let hint: String?
  /// Whether another start may well go better, since the cause lies with other ranks, hosts or the network.
  public let isPassing: Bool

  /// Makes a failure.
  public init(_ kind: Kind, _ message: String, hint: String? = nil, isPassing: Bool = false) {
    self.kind = kind
    self.message = message
    self.hint = hint
    self.isPassing = isPassing
  }

  /// The most characters of a line that is shown.
  private static let width = 980

  /// The message, and the hint on a line of its own: safe to show, whatever names and values of files they quote.
  public var description: String {
    let lines = [message.oneLine(limit: Self.width)] + (hint.map { ["hint: " + $0.oneLine(limit: Self.width)] } ?? [])
    return lines.joined(separator: "\n")
  }

  /// The failure of a system call on `path`, from `errno`: missing inputs, outputs that cannot be made and a full disk
  /// get their own kinds.
  public static func system(_ action: String, _ path: String, errno code: Int32 = errno, kind: Kind = .inputOutput)
    -> Failure
  {
    Failure(kind, "\(path): cannot \(action): \(String(cString: strerror(code)))")
  }
}

extension Failure {
  /// A stranger's text as a message may show it: at most `longest` characters of it, control characters escaped.
  public static func excerpt(_ text: String, _ longest: Int = 40) -> String {
    // Scalars, since a single character may be of any length.
    let scalars = text.unicodeScalars
    var shown = ""
    for scalar in scalars.prefix(longest) {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
        shown += scalar.escaped(asASCII: true)
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return scalars.dropFirst(longest).isEmpty ? shown : shown + "…"
  }
}
