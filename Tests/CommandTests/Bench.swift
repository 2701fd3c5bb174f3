import Foundation
import Testing
import Training

/// Small runs of `train` beside one another, which differ in one option.
final class Bench {
  let place: Place
  let data: String
  private var count = 0

  /// Three steps a run, of 4, 4 and 2 pairs; the trunk's blocks are still to be said.
  static let open = [
    "--block", "basic", "--stem", "8", "--width", "32", "--embedding", "16", "--size", "64", "--batch", "4", "--epochs",
    "1", "--warmup", "0", "--validation", "0", "--seed", "5",
  ]
  /// The same with a block a stage.
  static let base = open + ["--blocks", "1", "1", "1", "1"]

  init(format: String = "csv") throws {
    place = try Place()
    data = try place.data(patients: 10, format: format)
  }

  /// What a run left.
  struct Run {
    let place: Place
    let name: String
    let done: Command

    var path: String { "\(place.path)/\(name)" }
    var code: Int32 { done.code }
    /// The last weights, byte by byte.
    var weights: Data? { place.bytes("\(name)/checkpoints/last/model.safetensors") }
    private var lines: [[String: Any]] {
      place.text("\(name)/metrics.jsonl").split(separator: "\n").compactMap {
        try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
      }
    }
    /// Lines of `metrics.jsonl` that tell a step.
    var steps: [[String: Any]] { lines.filter { $0["evaluation"] == nil } }
    /// Those that tell an evaluation.
    var evaluations: [[String: Any]] { lines.filter { $0["evaluation"] != nil } }
    /// A figure of every step.
    func values(_ key: String) -> [Double] { steps.compactMap { $0[key] as? Double } }

    func file(_ name: String, checkpoint: String = "last") throws -> Safetensors {
      try Safetensors(path: "\(path)/checkpoints/\(checkpoint)/\(name).safetensors")
    }
    func shape(_ tensor: String) throws -> [Int] { try file("model").tensor(tensor).shape.dimensions }
    var checkpoints: [String] {
      let names = try? FileManager.default.contentsOfDirectory(atPath: "\(path)/checkpoints")
      return (names ?? []).filter { $0.hasPrefix("step-") }.sorted()
    }
  }

  /// A run with `options` after those of `base`; of an option that stands twice the last counts.
  func train(_ options: [String], from base: [String] = Bench.base, ranks: Int? = nil) throws -> Run {
    count += 1
    let name = "run-\(count)"
    let done = try Command.run(
      ["train", "--data", data, "--output", "\(place.path)/\(name)"] + base + options, ranks: ranks)
    return Run(place: place, name: name, done: done)
  }

  /// A run that must end well.
  func trained(_ options: [String], from base: [String] = Bench.base, ranks: Int? = nil) throws -> Run {
    let run = try train(options, from: base, ranks: ranks)
    #expect(run.code == 0 && run.weights != nil, "\(options): \(run.done.errors)")
    return run
  }

  /// How many steps a run with `options` takes.
  func steps(_ options: [String], from base: [String] = Bench.base) throws -> Int {
    try trained(options, from: base).steps.count
  }

  /// The names of a model's tensors after a run with `options`.
  func tensors(_ options: [String], from base: [String] = Bench.base) throws -> [String] {
    try trained(options, from: base).file("model").names
  }

  /// `options` lead to other weights than the same run without them; both runs have the options `beside`.
  @discardableResult
  func changes(_ options: [String], beside: [String] = [], ranks: Int? = nil) throws -> Run {
    let (plain, other) = (try trained(beside, ranks: ranks), try trained(beside + options, ranks: ranks))
    #expect(plain.weights != other.weights, "\(options) have no effect")
    return other
  }

  /// `options` lead to the same weights, to the bit.
  @discardableResult
  func keeps(_ options: [String], beside: [String] = [], ranks: Int? = nil) throws -> Run {
    let (plain, other) = (try trained(beside, ranks: ranks), try trained(beside + options, ranks: ranks))
    #expect(plain.weights == other.weights, "\(options) change the weights")
    return other
  }
}

/// The options that the help of `command` names, without dashes; not the help and the version themselves.
func optionsInHelp(_ command: [String]) throws -> Set<String> {
  let help = try Command.run(command + ["--help"])
  try #require(help.code == 0, "\(help.errors)")
  let names = help.output.split(separator: "\n").compactMap { line -> String? in
    line.prefixMatch(of: /\ *(?:-\w, )?--([a-z-]+)/).map { String($0.output.1) }
  }
  return Set(names).subtracting(["help", "version"])
}

/// Tries an option: does what it says show?
typealias Trial = @Sendable (Bench) throws -> Void

extension Command {
  /// Runs a command that must end well.
  static func good(_ arguments: [String]) throws -> Command {
    let done = try run(arguments)
    #expect(done.code == 0, "\(arguments): \(done.errors)")
    return done
  }

  /// The output as a JSON object.
  var object: [String: Any] {
    get throws { try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]) }
  }
}
