import Foundation
import Testing

/// Trials of the options of `synthesize`.
enum SynthesizeTrials {
  /// A data set drawn with `options`: bytes by name.
  private static func drawn(_ bench: Bench, _ options: [String] = []) throws -> [String: Data] {
    let folder = bench.place.path + "/drawn-\(UUID().uuidString)"
    let base = ["--patients", "4", "--size", "48", "--format", "csv", "--seed", "1"]
    _ = try Command.good(["synthesize", "--output", folder] + base + options)
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
    return Dictionary(
      uniqueKeysWithValues: names.map { ($0, FileManager.default.contents(atPath: "\(folder)/\($0)") ?? Data()) })
  }

  static let all: [String: Trial] = [
    "output": { bench in
      let table = try drawn(bench)["annotations.csv"]
      #expect(table?.isEmpty == false)
      let refused = try Command.run(["synthesize", "--output", bench.data, "--patients", "2"])
      #expect(refused.code == 73)
    },
    "patients": { bench in
      let names = try drawn(bench, ["--patients", "6"]).keys
      #expect(names.count { $0.hasSuffix("_left.jpg") } == 6)
    },
    "seed": { bench in
      let (plain, other) = (try drawn(bench), try drawn(bench, ["--seed", "2"]))
      #expect(plain["images/0_left.jpg"] != other["images/0_left.jpg"])
    },
    "size": { bench in
      for (options, side) in [(["--size", "64"], UInt8(64)), ([], 48)] {
        let bytes = [UInt8](try #require(try drawn(bench, options)["images/0_left.jpg"]))
        // A JPEG's frame header: marker, length, precision, height, width.
        let frame = try #require(bytes.indices.first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        #expect(Array(bytes[frame + 5...frame + 8]) == [0, side, 0, side])
      }
    },
    "difficulty": { bench in
      let (plain, hard) = (try drawn(bench, ["--difficulty", "0"]), try drawn(bench, ["--difficulty", "1"]))
      #expect(plain["annotations.csv"] == hard["annotations.csv"] && plain != hard)
    },
    "label-noise": { bench in
      let (plain, noisy) = (try drawn(bench), try drawn(bench, ["--label-noise", "1"]))
      #expect(plain["annotations.csv"] != noisy["annotations.csv"])
    },
    "format": { bench in
      let names = try drawn(bench, ["--format", "xlsx"]).keys
      #expect(names.contains("annotations.xlsx") && !names.contains("annotations.csv"))
    },
    "threads": { bench in
      let (one, three) = (try drawn(bench, ["--threads", "1"]), try drawn(bench, ["--threads", "3"]))
      #expect(one == three && one.count > 8)
    },
  ]
}
