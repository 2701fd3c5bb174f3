import Foundation

/// One thing a training run can be told: its name on the command line and in YAML, its default, its limits, and what a resume may
/// do with it. Declared once, in `OptionTable`; the command line, `config.yaml`, the help and the rule on resume follow from it.
package struct TrainOption<Value: OptionValue>: DeclaredOption {
  package let name: String
  package let help: String
  package let onResume: ResumeRule
  package let mayDifferByRank: Bool
  let initial: Value
  let limit: Limit<Value>?
  let isPath: Bool

  /// Declares an option.
  ///
  /// - Parameters:
  ///   - limit: the values that make sense; nil: all of the type.
  ///   - onResume: whether a resumed run may be told another value.
  ///   - mayDifferByRank: whether ranks may be told different values without training something else.
  ///   - isPath: whether the value names a file, kept as an absolute path so that a resume may start anywhere.
  init(
    _ name: String, _ help: String, _ initial: Value, _ limit: Limit<Value>? = nil, onResume: ResumeRule = .keeps,
    mayDifferByRank: Bool = false, isPath: Bool = false
  ) {
    (self.name, self.initial, self.limit, self.onResume) = (name, initial, limit, onResume)
    (self.mayDifferByRank, self.isPath, self.help) = (mayDifferByRank, isPath, help)
  }

  package var shape: OptionShape { Value.shape }

  package var defaultTexts: [String] { initial.texts }

  package var limitText: String? { limit?.text ?? Value.choices }

  package func read(_ texts: [String]) throws -> any OptionValue {
    let given = isPath ? try texts.map(absolute) : texts
    guard let value = Value(texts: given) else {
      let expected = limitText.map { ", expected \($0)" } ?? ""
      throw Failure(.usage, "the value '\(texts.joined(separator: " "))' is invalid for '--\(name)'\(expected)")
    }
    if let limit, !limit.holds(value) {
      throw Failure(.usage, "--\(name) is \(value.texts.joined(separator: " ")), expected \(limit.text)")
    }
    return value
  }

  private func absolute(_ path: String) throws -> String {
    guard !path.isEmpty else { throw Failure(.usage, "--\(name) is empty, expected a path") }
    return path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }
}

/// What a resumed run may be told about an option.
package enum ResumeRule: Sendable {
  /// Only what the checkpoint says: another value would make another run.
  case keeps
  /// Another value too, which takes effect.
  case mayChange
}

/// How an option is written.
package enum OptionShape: Sendable {
  /// `--name`, without a value.
  case flag
  /// `--name VALUE`.
  case single
  /// `--name VALUE VALUE ...`, or given several times.
  case list
}

/// An option without its type of value.
package protocol DeclaredOption: Sendable {
  /// The name on the command line, without dashes, and in YAML.
  var name: String { get }
  /// What it says, for people.
  var help: String { get }
  /// What a resume may do with it.
  var onResume: ResumeRule { get }
  /// Whether ranks may be told different values.
  var mayDifferByRank: Bool { get }
  /// How it is written.
  var shape: OptionShape { get }
  /// The default, as text.
  var defaultTexts: [String] { get }
  /// The values that make sense, for people.
  var limitText: String? { get }
  /// The value that `texts` say; refuses what makes no sense.
  func read(_ texts: [String]) throws -> any OptionValue
}

/// The values of an option that make sense.
package struct Limit<Value: Sendable>: Sendable {
  /// For people, to stand after "expected".
  let text: String
  let holds: @Sendable (Value) -> Bool
}

extension Limit where Value: Comparable {
  /// From one value to another, both included; `off`: what the lowest value means, for people.
  static func range(_ range: ClosedRange<Value>, off: String? = nil) -> Limit {
    Limit(text: "\(range.lowerBound)\(off.map { " (\($0))" } ?? "") to \(range.upperBound)") { range.contains($0) }
  }

  /// From one value up to another that is excluded.
  static func below(_ range: Range<Value>, off: String? = nil) -> Limit {
    Limit(text: "\(range.lowerBound)\(off.map { " (\($0))" } ?? "") up to below \(range.upperBound)") {
      range.contains($0)
    }
  }

  /// Above one value, up to another that is included.
  static func above(_ low: Value, to high: Value) -> Limit {
    Limit(text: "above \(low), up to \(high)") { $0 > low && $0 <= high }
  }
}

extension Limit {
  /// A list whose elements are all within `limit`, and of at most `count` elements.
  static func each<Element>(_ limit: Limit<Element>, count: ClosedRange<Int>) -> Limit where Value == [Element] {
    Limit(text: "\(count.lowerBound) to \(count.upperBound) values of \(limit.text)") {
      count.contains($0.count) && $0.allSatisfy(limit.holds)
    }
  }
}
