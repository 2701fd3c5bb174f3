import Foundation
import Testing

/// Trials of the options that say how pictures are prepared and changed: of `train`, and of `prepare`.
enum PictureTrials {
  /// Values that change how the bench's photographs are prepared.
  private static let preparing: [String: [[String]]] = [
    "crop": [["none"]], "padding": [["mean"], ["stretch"]], "circle": [["0.7"]], "local-mean": [["4"]],
    "clahe": [["2"]],
  ]

  /// Values that change what a run sees of pairs.
  private static let augmenting: [String: [[String]]] = [
    "flip": [["0"], ["1"]], "vertical-flip": [["1"]], "rotation": [["20"]], "zoom": [["0.9", "1.2"]],
    "shift": [["0.1"]], "brightness": [["0.3"]], "contrast": [["0.3"]], "saturation": [["0.3"]], "hue": [["0.1"]],
    "erasing": [["1"]], "mixup": [["0.4"]],
  ]

  /// Each value leads to other weights than the default and the other values.
  static let train = preparing.merging(augmenting) { $1 }.reduce(into: [String: Trial]()) { trials, entry in
    let (option, values) = entry
    trials[option] = { bench in
      // Square photographs are padded where the network's input is none.
      let beside = option == "padding" ? ["--size", "64x96"] : []
      let runs = try ([[]] + values.map { ["--\(option)"] + $0 }).map { try bench.trained(beside + $0).weights }
      #expect(Set(runs).count == runs.count, "--\(option) has no effect")
    }
  }

  /// Trials of the options of `prepare`.
  static let prepare = SourceTrials.all { bench, options in
    let done = try prepared(bench, options)
    let count = done.errors.firstMatch(of: /(\d+) of \d+ patients have both images/).flatMap { Int($0.output.1) }
    return done.code == 0 ? count : nil
  }
  .merging(sheets) { $1 }.merging(preparations) { $1 }.merging(own) { $1 }

  /// Prepares the bench's data set in a new folder of caches.
  private static func prepared(
    _ bench: Bench, _ options: [String], in folder: String = UUID().uuidString
  ) throws -> Command {
    let cache = "\(bench.place.path)/\(folder)"
    return try Command.run(["prepare", "--data", bench.data, "--size", "64", "--cache", cache] + options)
  }

  /// Prepares it in `folder`, which must end well, and returns the names of the caches that are there then.
  private static func caches(_ bench: Bench, _ options: [String], in folder: String) throws -> [String] {
    let done = try prepared(bench, options, in: folder)
    #expect(done.code == 0, "\(options): \(done.errors)")
    return try names(bench, folder)
  }

  /// The names of the caches in a folder.
  private static func names(_ bench: Bench, _ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(bench.place.path)/\(folder)").filter {
      !$0.hasSuffix(".lock")
    }
  }

  /// The contact sheet that `prepare` draws with `options`.
  private static func sheet(_ bench: Bench, _ options: [String] = []) throws -> Data {
    let done = try prepared(bench, ["--contact-sheet", bench.place.path + "/sheet.jpg"] + options)
    #expect(done.code == 0, "\(done.errors)")
    return try #require(bench.place.bytes("sheet.jpg"))
  }

  /// Augmentation shows in the contact sheet.
  private static let sheets = augmenting.merging(["seed": [["6"]]]) { $1 }.reduce(into: [String: Trial]()) {
    trials, entry in
    let (option, values) = entry
    trials[option] = { bench in
      let sheets = try ([[]] + values.map { ["--\(option)"] + $0 }).map { try sheet(bench, $0) }
      #expect(Set(sheets).count == sheets.count, "--\(option) has no effect")
    }
  }

  /// Another preparation makes a cache of its own.
  private static let preparations = preparing.merging(["size": [["96"], ["64x96"]]]) { $1 }.reduce(
    into: [String: Trial]()
  ) { trials, entry in
    let (option, values) = entry
    trials[option] = { bench in
      let counts = try ([[]] + values.map { ["--\(option)"] + $0 }).map { try caches(bench, $0, in: "caches").count }
      #expect(counts == Array(1...1 + values.count), "--\(option) has no effect")
    }
  }

  private static let own: [String: Trial] = [
    "data": { bench in
      let other = try bench.place.data(patients: 7, name: "other")
      let done = try prepared(bench, ["--data", other])
      #expect(done.code == 0 && done.errors.contains("preparing 7 pairs"), "\(done.errors)")
    },
    "cache": { bench in
      let elsewhere = try caches(bench, [], in: "caches")
      #expect(elsewhere.count == 1 && !bench.place.exists("data/.dmsnet"))
      let done = try prepared(bench, ["--cache", "beside"])
      let beside = try names(bench, "data/.dmsnet")
      #expect(done.code == 0 && beside.count == 1, "\(done.errors)")
    },
    "workers": { bench in
      let made = try ["1", "3"].map { workers -> [Data?] in
        let folder = "caches-\(workers)"
        return try caches(bench, ["--workers", workers], in: folder).map {
          bench.place.bytes("\(folder)/\($0)/pairs.bin")
        }
      }
      #expect(made[0] == made[1] && made[0].count == 1 && !made[0].contains(nil))
    },
    "config": { bench in
      let file = bench.place.path + "/options.yaml"
      try "crop: none\nepochs: 3\n".write(toFile: file, atomically: true, encoding: .utf8)
      let counts = try [[], ["--config", file], ["--crop", "none"]].map { try caches(bench, $0, in: "caches").count }
      #expect(counts == [1, 2, 2])
    },
    "contact-sheet": { bench in
      let bytes = try sheet(bench)
      #expect(bytes.starts(with: [0xFF, 0xD8]))
    },
  ]
}
