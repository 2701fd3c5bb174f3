import Foundation
import Testing
import Training

/// Trials of the options that say which data set a command reads.
enum SourceTrials {
  /// A copy of the bench's table with two patients fewer.
  static func fewer(_ bench: Bench) throws -> String {
    let file = bench.place.path + "/fewer.csv"
    let rows = bench.place.text("data/annotations.csv").split(separator: "\n").dropLast(2)
    try rows.joined(separator: "\n").write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  /// A run of other data than the bench's, so that those may be spoilt.
  static func run(_ bench: Bench) throws -> Bench.Run {
    let data =
      try bench.place.exists("training") ? bench.place.path + "/training" : bench.place.data(name: "training")
    return try bench.trained(["--data", data])
  }

  /// Of a command that, given options, answers for as many of the bench's patients as `count` says, nil where it fails.
  static func all(_ count: @escaping @Sendable (Bench, [String]) throws -> Int?) -> [String: Trial] {
    [
      "annotations": { bench in
        let found = try count(bench, ["--annotations", fewer(bench)])
        #expect(found == 8)
      },
      "sheet": { bench in
        let found = try ["1", "Nothing"].map { try count(bench, ["--sheet", $0]) }
        #expect(found == [10, nil])
      },
      "images": { bench in
        let files = FileManager.default
        try files.copyItem(atPath: bench.data + "/images", toPath: bench.data + "/again")
        // One of the folders lacks a photograph.
        try files.removeItem(atPath: bench.data + "/again/3_left.jpg")
        let found = try [[], ["again"], ["images"]].map { folder in
          try count(bench, folder.flatMap { ["--images", "\(bench.data)/\($0)"] })
        }
        #expect(found == [nil, 9, 10])
      },
      "strict": { bench in
        try FileManager.default.removeItem(atPath: bench.data + "/images/3_left.jpg")
        let found = try [[], ["--strict"]].map { try count(bench, $0) }
        #expect(found == [9, nil])
      },
      "on-bad-image": { bench in
        try Data("no picture".utf8).write(to: URL(fileURLWithPath: bench.data + "/images/3_left.jpg"))
        let found = try ["stop", "skip"].map { try count(bench, ["--on-bad-image", $0]) }
        #expect(found == [nil, 9])
      },
    ]
  }
}
