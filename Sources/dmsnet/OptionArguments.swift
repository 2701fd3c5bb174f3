import Foundation
import Training

/// The command line of `train` and of `prepare`, read by the table of options.
struct OptionArguments {
  /// Options as texts by name: those of `--config FILE`, and over them those of the command line.
  private(set) var given: [String: [String]] = [:]
  /// Values of the command's own options by name; empty for flags.
  private(set) var own: [String: String] = [:]
  /// Whether help was asked for.
  private(set) var asksForHelp = false

  /// An option of one command alone.
  struct Own {
    let name: String
    /// What stands for its value in the help; nil: a flag.
    let value: String?
    let help: String
  }

  private static let config = Own(
    name: "config", value: "FILE", help: "YAML file of options; the command line beats it.")

  /// Reads `arguments` of `command`, which has options of its `own`. A list takes values up to the next option and may be given several times; of a single value the last
  /// counts; `--flag=false` takes back a flag of the file.
  init(_ arguments: [String], command: String, own: [Own]) throws {
    var file: String?
    var onLine: [String: [String]] = [:]
    var remaining = arguments[...]
    while let argument = remaining.popFirst() {
      guard argument.hasPrefix("--"), argument.count > 2 else {
        if ["-h", "-help"].contains(argument) { asksForHelp = true; continue }
        throw Failure(
          .usage, "unexpected argument '\(argument)'", hint: "options begin with --; see dmsnet \(command) --help")
      }
      let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let (name, attached) = (String(parts[0]), parts.count > 1 ? String(parts[1]) : nil)
      func value() throws -> String {
        if let attached { return attached }
        guard let next = remaining.first, !next.hasPrefix("--") else {
          throw Failure(.usage, "Missing value for '--\(name)'")
        }
        return String(remaining.removeFirst())
      }
      switch name {
      case "help": asksForHelp = true
      case Self.config.name: file = try value()
      default:
        if let option = own.first(where: { $0.name == name }) {
          if option.value != nil {
            self.own[name] = try value()
          } else {
            self.own[name] = try Self.flag(name, attached) ? "" : nil
          }
          continue
        }
        guard let option = OptionTable.option(name) else {
          throw Failure(
            .usage, "Unknown option '--\(name)'", hint: OptionTable.successor(name) ?? Self.nearest(name, own))
        }
        switch option.shape {
        case .flag: onLine[name] = [try Self.flag(name, attached) ? "true" : "false"]
        case .single: onLine[name] = [try value()]
        case .list:
          onLine[name, default: []].append(try value())
          while attached == nil, let next = remaining.first, !next.hasPrefix("--") {
            onLine[name]?.append(next)
            remaining.removeFirst()
          }
        }
      }
    }
    if asksForHelp { return }
    if let file { given = try ConfigurationFile.read(file) }
    given.merge(onLine) { $1 }
    _ = try Options(given)
  }

  private static func flag(_ name: String, _ text: String?) throws -> Bool {
    guard let value = Bool(text ?? "true") else {
      throw Failure(.usage, "--\(name) is \(text ?? ""), expected true or false")
    }
    return value
  }

  /// The option that `name` may have meant.
  private static func nearest(_ name: String, _ own: [Own]) -> String? {
    let names = OptionTable.all.map(\.name) + own.map(\.name) + [config.name]
    let close = names.map { (name: $0, distance: name.editDistance(to: $0)) }.min { $0.distance < $1.distance }
    return close.flatMap { $0.distance <= max(2, $0.name.count / 3) ? "did you mean --\($0.name)?" : nil }
  }

  /// What `--help` says of a command's `own` options and of those of the table that `concern` it.
  static func help(own: [Own], concern: (any DeclaredOption) -> Bool = { _ in true }) -> String {
    let first = (own + [config]).map { ("--\($0.name)" + ($0.value.map { " \($0)" } ?? ""), $0.help) }
    let declared = OptionTable.all.filter(concern).map { option in
      let value = option.shape == .flag ? "" : option.shape == .list ? " VALUE..." : " VALUE"
      let initial =
        option.shape == .flag ? nil : option.defaultTexts.isEmpty ? nil : option.defaultTexts.joined(separator: " ")
      let notes = [option.limitText, initial.map { "default: \($0)" }].compactMap { $0 }
      return ("--\(option.name)\(value)", option.help + (notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))"))
    }
    return (first + declared).map { "\($0.0)\n\(indented($0.1))" }.joined(separator: "\n")
  }

  /// `text` in indented lines that a terminal of 80 columns shows as they are.
  private static func indented(_ text: String) -> String {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let line = lines.last, line.count + word.count < 74 {
        lines[lines.count - 1] = line + " " + word
      } else {
        lines.append("    " + word)
      }
    }
    return lines.joined(separator: "\n")
  }
}
