import Training

/// Refuses `value` outside `limits`, by the option's name; what is no number lies outside of any.
func require<Value: Comparable>(_ value: Value, in limits: ClosedRange<Value>, _ name: String) throws {
  guard limits.contains(value) else {
    throw Failure(.usage, "\(name) is \(value), expected \(limits.lowerBound) to \(limits.upperBound)")
  }
}

/// Limits that several commands share.
enum Limits {
  /// Threads of a process.
  static let threads = 1...1024
}
