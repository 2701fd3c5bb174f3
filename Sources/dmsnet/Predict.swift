import ArgumentParser
import Foundation
import Training

extension BadImageRule: ExpressibleByArgument {}
extension TestTimeAugmentation: ExpressibleByArgument {}

extension CacheLocation.Choice: ExpressibleByArgument {
  /// A folder, or "none".
  public init?(argument: String) { self.init(texts: [argument]) }
  /// The default, for people.
  public var defaultValueDescription: String { "beside" }
}

/// Probabilities of pairs of photographs.
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Probabilities of one pair, a list of pairs or a data set.")

  @Argument(help: "The left and the right photograph.") var photographs: [String] = []
  @Option(help: "A run's folder (its best checkpoint) or a checkpoint's; of several, the mean answers.")
  var checkpoint: [String]
  @Option(help: "CSV of ID,left,right instead of a pair.") var list: String?
  @Option(help: "Folder of a data set, labelled or not, instead of a pair.") var data: String?
  @Option(help: "With --data: the table, where the folder does not tell.") var annotations: String?
  @Option(help: "With --data: the table's sheet, by name or number, where a workbook has several.") var sheet: String?
  @Option(help: "With --data: the folder of images, where the data folder holds several.") var images: String?
  @Flag(help: "With --data: rows without images are an error.") var strict = false
  @Option(help: "With --data: where prepared pairs are kept: beside (.dmsnet there), none, or a folder.")
  var cache: CacheLocation.Choice?
  @Option(help: "When photographs cannot be used: stop, skip (leave their patients out).") var onBadImage =
    BadImageRule.stop
  @Option(help: "With --data or --list: write the challenge's submission format (ID,N,D,...) here.") var submission:
    String?
  @Option(help: "What is averaged over: none, flip (the mirrored pair too), flips (both also upside down).")
  var tta = TestTimeAugmentation.none
  @Option(help: "Also decide, above 0.5 or above tuned thresholds of the runs.") var thresholds: ThresholdChoice?
  @Option(help: "Threads.") var threads = 1
  @Option(help: "Threads that decode photographs.") var workers = 1
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let communicator = try Job.communicator()
    let (ensemble, found, decided) = try communicator.together {
      if communicator.rank == 0 { try submission.map(AtomicFile.check) }
      let (ensemble, found) = (try Ensemble(checkpoint, threads: threads), try pairs())
      return (ensemble, found, try limits(ensemble, found.labels))
    }
    try communicator.requireSame(ensemble.facts.merging(found.facts) { $1 }, .data)
    let progress = Progress(isSpeaking: communicator.rank == 0)
    let datasets = try ensemble.ready(found, Array(found.patients.indices), onBad: onBadImage) {
      DataPath($0, cache: cache ?? .besideData, workers: workers, communicator, progress)
    }
    let (dataset, labels) = (datasets[0], found.labels)
    if data != nil || dataset.patients.count < found.patients.count { progress.say(dataset.summary) }
    let all = Array(dataset.patients.indices)
    let values = try ensemble.answer(datasets, all, tta.changes, communicator, workers: workers)
    if let line = try communicator.warningLine(dataset) { progress.say(line) }
    _ = try communicator.onFirst {
      let answers = Answers(dataset.patients, labels: labels, values, thresholds: decided)
      if let submission {
        try AtomicFile.write(Data(answers.submission.utf8), to: submission)
      } else if json {
        let object: Any = photographs.isEmpty ? answers.objects : answers.objects[0]
        try StandardOutput.print(String(decoding: try Training.json(object, indented: true), as: UTF8.self))
      } else {
        try StandardOutput.print(answers.text)
      }
    }
  }

  /// The thresholds above which labels are decided; nil where nothing is.
  private func limits(_ ensemble: Ensemble, _ labels: [String]) throws -> [Double]? {
    guard thresholds == nil || submission == nil else {
      throw Failure(.usage, "--submission holds probabilities and takes no --thresholds")
    }
    switch thresholds {
    case nil: return nil
    case .half: return labels.map { _ in 0.5 }
    case .tuned: return try ensemble.thresholds(labels)
    }
  }

  private func pairs() throws -> Dataset {
    try require(workers, in: Limits.threads, "--workers")
    guard data != nil || (annotations == nil && sheet == nil && images == nil && cache == nil && !strict) else {
      throw Failure(.usage, "--annotations, --sheet, --images, --cache and --strict go with --data")
    }
    guard [photographs.isEmpty ? 0 : 1, list == nil ? 0 : 1, data == nil ? 0 : 1].reduce(0, +) == 1 else {
      throw Failure(.usage, "predict takes LEFT RIGHT, or --list FILE, or --data DIR")
    }
    if let data {
      var source = Dataset.Source(folder: data)
      (source.annotations, source.sheet) = (annotations, sheet)
      (source.images, source.isStrict) = (images, strict)
      source.isLabelled = false
      return try Dataset(source)
    }
    if let list { return try Dataset(list: list) }
    guard photographs.count == 2 else { throw Failure(.usage, "predict takes two photographs, LEFT and RIGHT") }
    return Dataset(pairs: [(id: photographs[0], left: photographs[0], right: photographs[1])])
  }
}
