import Foundation
import Synchronization

/// What a decoder found odd about a photograph that it could decode all the same.
public struct DecoderWarning: Sendable, Equatable, Codable {
  /// The file.
  public let path: String
  /// The first of what the decoder said.
  public let text: String
}

/// What decoders found odd about photographs that they could decode all the same, each file once. Any thread may add to it.
public final class DecoderWarnings: Sendable {
  private struct State {
    /// Paths of all files so far.
    var files: Set<String> = []
    var new: [DecoderWarning] = []
  }

  private let state = Mutex(State())

  func add(_ path: String, _ text: String) {
    state.withLock { state in
      if state.files.insert(path).inserted { state.new.append(DecoderWarning(path: path, text: text)) }
    }
  }

  /// The files found since this was last called.
  public func take() -> [DecoderWarning] {
    state.withLock { state in
      defer { state.new = [] }
      return state.new.sorted { $0.path < $1.path }
    }
  }
}

extension DecoderWarning {
  /// A line for people about `warnings`, nil where there are none.
  public static func line(_ warnings: [DecoderWarning]) -> String? {
    guard !warnings.isEmpty else { return nil }
    return "warning: \(warnings.count) photograph\(warnings.count == 1 ? " is" : "s are") damaged but readable: "
      + examples(warnings.map { "\($0.path) (\($0.text))" })
  }
}

/// The first of `items`, and how many more there are.
func examples(_ items: [String]) -> String {
  let most = BadPhotograph.mostNamed
  return items.prefix(most).joined(separator: ", ") + (items.count > most ? " and \(items.count - most) more" : "")
}
