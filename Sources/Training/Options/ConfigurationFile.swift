import Foundation
import Yams

/// YAML files of options: their keys are the options' names, their values scalars or lists of scalars.
package enum ConfigurationFile {
  /// Files larger than this are refused: no list of options is.
  private static let largest = 1 << 20

  /// The options that the file at `path` sets, as texts by name.
  package static func read(_ path: String) throws -> [String: [String]] {
    let file = try InputFile(path)
    guard file.byteCount <= largest else { throw Failure(.usage, "\(path): too large for a file of options") }
    let data = try file.read(at: 0, count: file.byteCount)
    guard let text = String(data: data, encoding: .utf8) else { throw Failure(.usage, "\(path): not UTF-8 text") }
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch { throw Failure(.usage, "\(path): not YAML: \(reason(error))") }
    guard let root else { return [:] }
    guard case .mapping(let mapping) = root else {
      // A file of comments alone, or of nothing, is one of no options.
      if case .scalar(let scalar) = root, scalar.string.isEmpty { return [:] }
      throw Failure(.usage, "\(path): expected options as key: value lines")
    }
    var result: [String: [String]] = [:]
    for (key, value) in mapping {
      guard let name = key.scalar?.string, OptionTable.option(name) != nil else {
        let name = key.scalar?.string ?? ""
        throw Failure(.usage, "\(path): unknown key \(name)", hint: OptionTable.successor(name))
      }
      guard let texts = texts(value) else { throw Failure(.usage, "\(path): \(name) is neither a value nor a list") }
      if let texts { result[name] = texts }
    }
    // Each value is looked at here, so that an error names the file.
    do { _ = try Options(result) } catch let failure as Failure {
      throw Failure(failure.kind, "\(path): \(failure.message)", hint: failure.hint)
    }
    return result
  }

  /// The texts of a node; an inner nil where it says "not set", an outer one where it is no value of an option.
  private static func texts(_ node: Node) -> [String]?? {
    switch node {
    case .scalar(let scalar):
      let isNull = scalar.style != .singleQuoted && scalar.style != .doubleQuoted
      if isNull, ["", "~", "null", "Null", "NULL"].contains(scalar.string) { return .some(nil) }
      return [scalar.string]
    case .sequence(let sequence):
      let texts = sequence.map { $0.scalar?.string }
      return texts.contains(nil) ? .none : .some(texts.compactMap { $0 })
    default: return .none
    }
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? YamlError else { return "it cannot be parsed" }
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      return "line \(mark.line), \(problem)"
    case .duplicatedKeysInMapping(let duplicates, _):
      return "key \(duplicates.first ?? "") stands twice"
    default: return "it cannot be parsed"
    }
  }

  /// `options` as `config.yaml` holds them: all, in the order of the table.
  package static func yaml(_ options: Options) throws -> String {
    let entries = OptionTable.all.compactMap { option -> (Node, Node)? in
      let texts = options.texts(option)
      if option.shape == .list { return (Node(option.name), Node(texts.map { Node($0) }, Tag(.seq))) }
      return texts.first.map {
        (Node(option.name), Node(quoted: $0, isNumber: Double($0) != nil || option.shape == .flag))
      }
    }
    return try Yams.serialize(node: Node(entries))
  }
}

extension Node {
  /// A scalar that reads back as the same text; numbers and flags stay plain.
  fileprivate init(quoted text: String, isNumber: Bool) {
    self = .scalar(Scalar(text, isNumber ? Tag.implicit : Tag(.str)))
  }
}
