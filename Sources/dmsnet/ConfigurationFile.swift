import Foundation
import Training
import Yams

/// YAML files of options: their keys are the long options' names.
enum ConfigurationFile {
  /// Replaces `--config FILE` by the file's options. Options on the command line beat the file.
  static func expand(_ arguments: [String]) throws -> [String] {
    guard arguments.first == "train" else { return arguments }
    var rest = arguments
    var path: String?
    if let index = rest.firstIndex(of: "--config") {
      guard index + 1 < rest.count else { throw Failure(.usage, "--config FILE is missing its file") }
      path = rest[index + 1]
      rest.removeSubrange(index...index + 1)
    } else if let index = rest.firstIndex(where: { $0.hasPrefix("--config=") }) {
      path = String(rest.remove(at: index).dropFirst("--config=".count))
    } else if rest.contains("--resume"), let output = value(of: "--output", in: rest) {
      let saved = "\(output)/config.yaml"
      path = FileManager.default.fileExists(atPath: saved) ? saved : nil
    }
    guard let path else { return rest }
    let given = Set(rest.filter { $0.hasPrefix("--") }.map { String($0.split(separator: "=")[0]) })
    return ["train"] + (try options(path, except: given)) + rest.dropFirst()
  }

  private static func value(of option: String, in arguments: [String]) -> String? {
    if let index = arguments.firstIndex(of: option), index + 1 < arguments.count { return arguments[index + 1] }
    return arguments.first { $0.hasPrefix(option + "=") }.map { String($0.dropFirst(option.count + 1)) }
  }

  private static func options(_ path: String, except given: Set<String>) throws -> [String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw Failure(.missing, "\(path): no such file")
    }
    let loaded: Any?
    do { loaded = try Yams.load(yaml: text) } catch { throw Failure(.usage, "\(path): not YAML") }
    guard let values = loaded as? [String: Any] else {
      throw Failure(.usage, "\(path): expected options as key: value lines")
    }
    var result: [String] = []
    for (key, value) in values.sorted(by: { $0.key < $1.key }) {
      guard Train.optionNames.contains(key) else { throw Failure(.usage, "\(path): unknown key \(key)") }
      if given.contains("--\(key)") { continue }
      switch value {
      case is NSNull: continue
      case let flag as Bool where Train.flagNames.contains(key): if flag { result.append("--\(key)") }
      case let list as [Any]: for item in list { result += ["--\(key)", "\(item)"] }
      default: result.append("--\(key)=\(value)")
      }
    }
    return result
  }

  /// A run's options as `config.yaml` holds them.
  static func yaml(_ train: Train) throws -> String { try Yams.dump(object: train.named, sortKeys: true) }
}
