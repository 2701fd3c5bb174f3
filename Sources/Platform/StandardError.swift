/// Messages for people. They may be lost without harm: a full disk, a closed descriptor or a terminal that is gone is no error.
public enum StandardError {
  /// Writes `text` as it is, in one piece where the system allows, so that lines of several ranks do not mix.
  public static func write(_ text: String) { _ = Descriptor.write(text, to: 2, patience: 1000) }

  /// A line for people; control characters show as escapes.
  public static func say(_ line: String) { write(line.escaped(keepingLines: true) + "\n") }
}

extension Failure {
  /// Tells people: one line, and one more where there is a hint.
  public func report() { StandardError.write("dmsnet: error: \(self)\n") }
}
