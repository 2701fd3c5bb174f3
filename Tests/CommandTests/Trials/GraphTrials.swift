import Foundation
import Testing

/// Trials of the options of `graph`.
enum GraphTrials {
  /// What `graph` prints of a small network with `options`.
  private static func text(_ options: [String] = []) throws -> String {
    let shape = ["--depth", "18", "--size", "64", "--stem", "8", "--width", "32", "--pairs", "3"]
    return try Command.good(["graph"] + shape + options).output
  }

  /// Whether the first convolution, told with its result's shape, is `line`.
  private static func starts(_ options: [String], _ shape: String) throws {
    let (plain, other) = (try text(), try text(options))
    let line = "F32[\(shape)] = convolution[stride: 2, padding: 3](images, trunk.conv1.weight)"
    #expect(!plain.contains(line) && other.contains(line))
  }

  static let all: [String: Trial] = [
    "depth": { _ in
      let name = "trunk.layer1.2.conv1.weight"
      let (small, large) = (try text(), try text(["--depth", "34"]))
      #expect(!small.contains(name) && large.contains(name))
    },
    "size": { _ in try starts(["--size", "96"], "6, 48, 48, 8") },
    "stem": { _ in try starts(["--stem", "16"], "6, 32, 32, 16") },
    "pairs": { _ in try starts(["--pairs", "2"], "4, 32, 32, 8") },
    "width": { _ in
      let (plain, wide) = (try text(["--pass", "write"]), try text(["--pass", "write", "--width", "48"]))
      #expect(!plain.contains(", 48] = ") && wide.contains(", 48] = "))
    },
    "training": { _ in
      let (plain, training, inference) = (try text(), try text(["--training"]), try text(["--inference"]))
      #expect(training.contains("# after differentiate") && training == plain)
      #expect(inference.contains("# after fold-constants") && !inference.contains("# after differentiate"))
    },
    "recompute": { _ in
      let again = try [[], ["--recompute"]].map {
        try text(["--pass", "rematerialise"] + $0).split(separator: "\n").count { $0.contains(".again") }
      }
      #expect(again[0] < again[1])
    },
    "accumulate": { _ in
      let (plain, other) = (try text(), try text(["--accumulate"]))
      #expect(!plain.contains("# after accumulate") && other.contains("# after accumulate"))
    },
    "pass": { _ in
      let one = try text(["--pass", "prune"])
      #expect(one.split(separator: "\n").filter { $0.hasPrefix("# after ") } == ["# after prune"])
    },
    "dot": { _ in
      let picture = try text(["--pass", "prune", "--dot"])
      #expect(picture.hasPrefix("digraph \"prune\" {\n"))
    },
  ]
}
