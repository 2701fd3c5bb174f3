extension Options {
  /// The options a resumed run goes on with: those of the run, `self`, but for what `given` may change.
  ///
  /// - Returns: the options, and what changes, a line each for people.
  /// - Throws: `.usage` with both values where an option is given another value that would make another run.
  package func resumed(_ given: [String: [String]]) throws -> (options: Options, changes: [String]) {
    let wanted = try Options(given)
    var result = self
    var changes: [String] = []
    for option in OptionTable.all {
      guard let texts = given[option.name] else { continue }
      let (before, now) = (Self.shown(self.texts(option)), Self.shown(wanted.texts(option)))
      guard before != now else { continue }
      guard option.onResume == .mayChange else {
        throw Failure(
          .usage, "--\(option.name) is \(now), the run's is \(before): a resumed run cannot change it",
          hint: "leave it out to go on, or start another run in another --output")
      }
      try result.take([option.name: texts])
      changes.append("--\(option.name) is \(now), was \(before)")
    }
    return (result, changes)
  }

  private static func shown(_ texts: [String]) -> String { texts.isEmpty ? "none" : texts.joined(separator: " ") }
}
