import ArgumentParser
import Foundation
import Training

/// How fast pairs are made ready: from photographs and from the cache, without and with augmentation.
struct BenchmarkLoader: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loader", abstract: "Pairs a second from photographs and from the pair cache.",
    usage: "dmsnet benchmark loader --data DIR [OPTIONS of train]",
    discussion: "Options are those of train; see dmsnet prepare --help.\n"
      + OptionArguments.help(own: own) { _ in false })

  private static let own = [
    OptionArguments.Own(name: "seconds", value: "SECONDS", help: "Time for each figure (default: 5).")
  ]

  @Argument(parsing: .captureForPassthrough, help: .hidden) var arguments: [String] = []

  func run() throws {
    let told = try OptionArguments(arguments, command: "benchmark loader", own: Self.own)
    guard !told.asksForHelp else { return try StandardOutput.print(Self.helpMessage()) }
    let options = try Options(told.given)
    guard !options.data.isEmpty else { throw Failure(.usage, "--data DIR is missing") }
    let text = told.own["seconds"] ?? "5"
    guard let seconds = Double(text) else { throw Failure(.usage, "--seconds is \(text), expected 0.1 to 600") }
    try require(seconds, in: 0.1...600, "--seconds")
    let found = try options.dataset()
    let progress = Progress(isSpeaking: true)
    let path = DataPath(options, isRequired: options.cache != .none, try Job.communicator(), progress)
    let dataset = try path.ready(found, Array(found.patients.indices), onBad: options.onBadImage)
    let augmentation = options.augmentation(partners: Array(dataset.patients.indices))
    var rows = [["pairs/s, \(options.preparation.size) pixels", "as prepared", "augmented"]]
    let sources =
      [("from photographs", dataset.cached(in: nil))] + (dataset.cache == nil ? [] : [("from the cache", dataset)])
    for (name, dataset) in sources {
      let rates = try [nil, augmentation].map { try rate(dataset, options, $0, seconds: seconds) }
      rows.append([name] + rates.map { fixed($0) })
    }
    try StandardOutput.print(table(rows))
  }

  /// Pairs a second that a loader hands over for `seconds`, after its first batches.
  private func rate(
    _ dataset: Dataset, _ options: Options, _ augmentation: Augmentation?, seconds: Double
  ) throws -> Double {
    let (patients, batch) = (dataset.patients.count, options.batch)
    let loader = Loader(dataset, options.preparation, augmentation: augmentation, workers: options.workers) { index in
      (index * batch..<(index + 1) * batch).map { Example(patient: $0 % patients, epoch: $0 / patients, position: $0) }
    }
    for _ in 0..<4 { _ = try loader.next() }
    let started = Date()
    var pairs = 0
    while Date().timeIntervalSince(started) < seconds { pairs += try loader.next()?.examples.count ?? 0 }
    return Double(pairs) / Date().timeIntervalSince(started)
  }
}
