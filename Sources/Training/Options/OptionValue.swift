import Foundation

/// A type of an option's value, read from and written as text.
package protocol OptionValue: Sendable, Equatable {
  /// How an option of this type is written.
  static var shape: OptionShape { get }
  /// The values there are, for people; nil where they are too many to list.
  static var choices: String? { get }
  /// The value that `texts` say: one text unless the shape is a list; nil where they say none.
  init?(texts: [String])
  /// The value as text, which reads back as the same value; empty where it is not set.
  var texts: [String] { get }
}

extension OptionValue {
  package static var shape: OptionShape { .single }
  package static var choices: String? { nil }
}

extension OptionValue where Self: LosslessStringConvertible {
  package init?(texts: [String]) {
    guard texts.count == 1 else { return nil }
    self.init(texts[0])
  }
  package var texts: [String] { [description] }
}

extension Int: OptionValue {}
extension UInt64: OptionValue {}

extension Float: OptionValue {
  /// Not finite is never of use, and a number that float32 cannot hold is none.
  package init?(texts: [String]) {
    guard texts.count == 1, let value = Float(texts[0]), value.isFinite else { return nil }
    self = value
  }
}

extension Double: OptionValue {
  package init?(texts: [String]) {
    guard texts.count == 1, let value = Double(texts[0]), value.isFinite else { return nil }
    self = value
  }
}

extension String: OptionValue {
  package var texts: [String] { isEmpty ? [] : [self] }
}

extension String?: OptionValue {
  package init?(texts: [String]) {
    guard texts.count == 1, !texts[0].isEmpty else { return nil }
    self = texts[0]
  }
  package var texts: [String] { map { [$0] } ?? [] }
}

extension Bool: OptionValue {
  package static var shape: OptionShape { .flag }
}

extension Array: OptionValue where Element: OptionValue {
  package static var shape: OptionShape { .list }
  package static var choices: String? { Element.choices }
  package init?(texts: [String]) {
    self = texts.compactMap { Element(texts: [$0]) }
    guard count == texts.count else { return nil }
  }
  package var texts: [String] { flatMap(\.texts) }
}

extension OptionValue where Self: CaseIterable & RawRepresentable, RawValue == String {
  package static var choices: String? { allCases.map(\.rawValue).joined(separator: ", ") }
  package init?(texts: [String]) {
    guard texts.count == 1 else { return nil }
    self.init(rawValue: texts[0])
  }
  package var texts: [String] { [rawValue] }
}

extension BadImageRule: OptionValue {}
extension Preparation.Crop: OptionValue {}
extension Preparation.Padding: OptionValue {}
extension Configuration.Block: OptionValue {}

/// Height and width in pixels: "224" or "192x256".
package struct ImageSize: OptionValue {
  /// Pixels.
  package let height, width: Int

  /// A square.
  package init(_ side: Int) { (height, width) = (side, side) }

  package static var choices: String? { "a side or HEIGHTxWIDTH" }

  package init?(texts: [String]) {
    guard texts.count == 1 else { return nil }
    let parts = texts[0].split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(parts.count), let height = parts[0], let width = parts[parts.count - 1] else { return nil }
    (self.height, self.width) = (height, width)
  }

  package var texts: [String] { [height == width ? "\(height)" : "\(height)x\(width)"] }
}

extension Wire: OptionValue {}

extension Sampler.Kind: OptionValue {}

/// How much a label's positives weigh.
package enum PositiveWeights: OptionValue {
  /// One number a label; empty: 1.
  case given([Float])
  /// By the frequencies of those who train.
  case automatic

  private static let auto = "auto"

  package static var shape: OptionShape { .list }

  package init?(texts: [String]) {
    if texts == [Self.auto] {
      self = .automatic
    } else if let weights = [Float](texts: texts) {
      self = .given(weights)
    } else {
      return nil
    }
  }

  package var texts: [String] {
    switch self {
    case .given(let weights): weights.texts
    case .automatic: [Self.auto]
    }
  }
}

/// One of the measures of an evaluation; of all the larger is better.
package struct Monitor: OptionValue {
  /// Its name in files.
  package let key: String

  init(key: String) { self.key = key }

  package static var choices: String? { Evaluation.keys.joined(separator: ", ") }

  package init?(texts: [String]) {
    guard texts.count == 1, Evaluation.keys.contains(texts[0]) else { return nil }
    key = texts[0]
  }

  package var texts: [String] { [key] }
}

extension CacheLocation.Choice: OptionValue {
  private static let (beside, nowhere) = ("beside", "none")

  package static var choices: String? { "beside (the data), none, or a folder" }

  package init?(texts: [String]) {
    guard texts.count == 1, !texts[0].isEmpty else { return nil }
    switch texts[0] {
    case Self.beside: self = .besideData
    case Self.nowhere: self = .none
    // Absolute, so that a resume may start anywhere.
    case let path: self = .folder(path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)")
    }
  }

  package var texts: [String] {
    switch self {
    case .besideData: [Self.beside]
    case .none: [Self.nowhere]
    case .folder(let path): [path]
    }
  }
}
