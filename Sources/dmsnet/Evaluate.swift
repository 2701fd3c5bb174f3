import ArgumentParser
import Foundation
import Training

/// Metrics and predictions of a checkpoint.
struct Evaluate: ParsableCommand {
  /// Which patients are evaluated.
  enum Patients: String, ExpressibleByArgument, CaseIterable {
    case validation
    case train
    case all
  }

  static let configuration = CommandConfiguration(abstract: "Metrics and predictions of a checkpoint.")

  @Option(help: "A run's folder (its best checkpoint) or a checkpoint's; of several, the mean answers.")
  var checkpoint: [String]
  @Option(help: "Folder of the data set.") var data: String
  @Option(help: "The table, where the folder does not tell.") var annotations: String?
  @Option(help: "The table's sheet, by name or number, where a workbook has several.") var sheet: String?
  @Option(help: "The folder of images, where the data folder holds several.") var images: String?
  @Flag(help: "Rows without images are an error.") var strict = false
  @Option(help: "When photographs cannot be used: stop, skip (leave their patients out).") var onBadImage =
    BadImageRule.stop
  @Option(
    help: "validation, train or all; by default the run's validation patients where the data are the run's, else all.")
  var patients: Patients?
  @Option(help: "What is averaged over: none, flip (the mirrored pair too), flips (both also upside down).")
  var tta = TestTimeAugmentation.none
  @Option(help: "0.5, or tuned: beside it, measures above the thresholds that the runs have tuned.")
  var thresholds = ThresholdChoice.half
  @Flag(help: "Also exchange the eyes of each pair and tell how many decisions change.") var swapTest = false
  @Option(help: "Folder for metrics.json and predictions.csv.") var output: String?
  @Option(help: "Where prepared pairs are kept: beside (.dmsnet in --data), none, or a folder.") var cache:
    CacheLocation.Choice = .besideData
  @Option(help: "Threads of a rank.") var threads = 1
  @Option(help: "Threads that decode photographs.") var workers = 1
  @Flag(help: "Print metrics.json on standard output.") var json = false

  func run() throws {
    let communicator = try Job.communicator()
    let (ensemble, found, asked, tuned) = try communicator.together {
      try require(workers, in: Limits.threads, "--workers")
      let ensemble = try Ensemble(checkpoint, threads: threads)
      var source = Dataset.Source(folder: data)
      (source.annotations, source.sheet) = (annotations, sheet)
      (source.images, source.isStrict) = (images, strict)
      let dataset = try Dataset(source)
      let tuned = thresholds == .tuned ? try ensemble.thresholds(dataset.labels) : nil
      return (ensemble, dataset, try choose(dataset, ensemble.members.map(\.state)), tuned)
    }
    try communicator.requireSame(ensemble.facts.merging(found.facts(of: asked)) { $1 }, .data)
    let progress = Progress(isSpeaking: communicator.rank == 0)
    let datasets = try ensemble.ready(found, asked, onBad: onBadImage) {
      DataPath($0, cache: cache, workers: workers, communicator, progress)
    }
    let dataset = datasets[0]
    progress.say(dataset.summary)
    let wanted = Set(asked.map { found.patients[$0].id })
    let chosen = dataset.patients.indices.filter { wanted.contains(dataset.patients[$0].id) }
    _ = try communicator.onFirst { try output.map(prepare) }
    let answers = try answers(ensemble, datasets, chosen, communicator)
    let state = ensemble.members[0].state
    let patients = chosen.map { dataset.patients[$0] }
    let reports = answers.map {
      Report(patients, labels: dataset.labels, probabilities: $0, seed: state.options.seed)
    }
    // Eyes that are exchanged are compared with eyes as they are, whatever else answers are averaged over.
    let swaps =
      try swapTest
      ? [PairChange.none, .swapped].map {
        try ensemble.answer(datasets, chosen, [$0], communicator, workers: workers)
      } : []
    if let line = try communicator.warningLine(dataset) { progress.say(line) }
    _ = try communicator.onFirst {
      var object = reports[0].metrics(
        raw: reports.count > 1 ? reports[1] : nil, step: state.step,
        thresholds: tuned.map { Dictionary(uniqueKeysWithValues: zip(dataset.labels, $0)) })
      if !swaps.isEmpty { object["swap"] = Report.swap(patients, labels: dataset.labels, swaps[0], swaps[1]) }
      object["checkpoints"] = ensemble.members.count
      object["test_time_augmentation"] = tta.rawValue
      let text = try Training.json(object, indented: true)
      progress.say(reports[0].table)
      if let output {
        try AtomicFile.write(text, to: "\(output)/metrics.json")
        try AtomicFile.write(Data(reports[0].csv.utf8), to: "\(output)/predictions.csv")
      }
      if json { try StandardOutput.print(String(decoding: text, as: UTF8.self)) }
    }
  }

  /// Makes the folder for results and tries whether it takes them, before the long work.
  private func prepare(_ output: String) throws {
    do { try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) } catch {
      throw Failure(.output, "\(output): cannot be made or written to")
    }
    for name in ["metrics.json", "predictions.csv"] { try AtomicFile.check("\(output)/\(name)") }
  }

  /// Probabilities of the weights that answer first, and beside them those of a single checkpoint's others.
  private func answers(
    _ ensemble: Ensemble, _ datasets: [Dataset], _ chosen: [Int], _ communicator: any Communicator
  ) throws -> [[Float]] {
    guard ensemble.members.count == 1 else {
      return [try ensemble.answer(datasets, chosen, tta.changes, communicator, workers: workers)]
    }
    return try ensemble.members[0].weights.map {
      try ensemble.answer(0, datasets[0], chosen, weights: $0, tta.changes, communicator, workers: workers)
    }
  }

  /// The patients to evaluate; validating with several runs are those on whom none of them trained.
  private func choose(_ dataset: Dataset, _ states: [State]) throws -> [Int] {
    let validating = states.dropFirst().reduce(Set(states[0].validation.keys)) { $0.intersection($1.validation.keys) }
    let isOfRun = !validating.isEmpty && states.allSatisfy { (try? Split(dataset, of: $0)) != nil }
    let all = Array(dataset.patients.indices)
    let chosen: [Int]
    switch patients ?? (isOfRun ? .validation : .all) {
    case .all: chosen = all
    case .validation: chosen = all.filter { validating.contains(dataset.patients[$0].id) }
    case .train:
      chosen = all.filter { place in states.contains { $0.training[dataset.patients[place].id] != nil } }
    }
    guard !chosen.isEmpty else { throw Failure(.data, "\(dataset.annotations): none of these patients was asked for") }
    return chosen
  }
}
