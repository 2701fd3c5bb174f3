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

  @Option(help: "A run's folder (its best checkpoint) or a checkpoint's.") var checkpoint: String
  @Option(help: "Folder of the data set.") var data: String
  @Option(help: "The table, where the folder does not tell.") var annotations: String?
  @Option(help: "The folder of images, where the data folder holds several.") var images: String?
  @Flag(help: "Rows without images are an error.") var strict = false
  @Option(
    help: "validation, train or all; by default the run's validation patients where the data are the run's, else all.")
  var patients: Patients?
  @Option(help: "Folder for metrics.json and predictions.csv.") var output: String?
  @Option(help: "Threads of a rank.") var threads = 1
  @Option(help: "Threads that decode photographs.") var workers = 1
  @Flag(help: "Print metrics.json on standard output.") var json = false

  func run() throws {
    let communicator = try Job.join()
    let (opened, dataset, chosen) = try communicator.together {
      try require(workers, in: Limits.threads, "--workers")
      let opened = try TrainedModel(checkpoint, threads: threads)
      var source = Dataset.Source(folder: data)
      (source.annotations, source.images, source.isStrict) = (annotations, images, strict)
      let dataset = try Dataset(source)
      return (opened, dataset, try choose(dataset, opened.state))
    }
    let progress = Progress(isSpeaking: communicator.rank == 0)
    progress.say(dataset.summary)
    let averaged = opened.hasAverage
    let predictor = Predictor(opened.replica, communicator, workers: workers)
    func report() throws -> Report {
      Report(
        chosen.map { dataset.patients[$0] }, labels: dataset.labels,
        probabilities: try predictor.probabilities(dataset, chosen), seed: opened.state.seed)
    }
    let raw = try report()
    if averaged { try communicator.together { try opened.loadAverage() } }
    let best = averaged ? try report() : raw
    _ = try communicator.onFirst {
      let object = Trainer.metrics(best, raw: averaged ? raw : nil, step: opened.state.step)
      let text = try Training.json(object, indented: true)
      progress.say(best.table)
      if let output {
        do { try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) } catch {
          throw Failure(.output, "\(output): cannot be made or written to")
        }
        try AtomicFile.write(text, to: "\(output)/metrics.json")
        try AtomicFile.write(Data(best.csv.utf8), to: "\(output)/predictions.csv")
      }
      if json { try StandardOutput.print(String(decoding: text, as: UTF8.self)) }
    }
  }

  private func choose(_ dataset: Dataset, _ state: State) throws -> [Int] {
    let validating = Set(state.validation)
    let all = Array(dataset.patients.indices)
    let chosen: [Int]
    switch patients ?? (dataset.fingerprint == state.dataFingerprint && !validating.isEmpty ? .validation : .all) {
    case .all: chosen = all
    case .validation: chosen = all.filter { validating.contains(dataset.patients[$0].id) }
    case .train: chosen = all.filter { !validating.contains(dataset.patients[$0].id) }
    }
    guard !chosen.isEmpty else { throw Failure(.data, "\(dataset.annotations): none of these patients was asked for") }
    return chosen
  }
}

/// A replica with a checkpoint's weights.
struct TrainedModel {
  let replica: Replica
  let state: State
  private let checkpoint: Checkpoint

  init(_ path: String, threads: Int) throws {
    try require(threads, in: Limits.threads, "--threads")
    checkpoint = try Checkpoint(path)
    state = checkpoint.state
    let network = try DMSNet(state.configuration)
    replica = try Replica(
      network, height: state.options.height, width: state.options.imageWidth, threads: threads, seed: nil, trains: false
    )
    try load("model.safetensors")
  }

  /// Whether the run kept an average of the weights.
  var hasAverage: Bool { state.files["ema.safetensors"] != nil }

  /// The averaged weights take the place of the last ones.
  func loadAverage() throws { try load("ema.safetensors") }

  private func load(_ name: String) throws {
    guard let file = try checkpoint.file(name) else { throw Failure(.data, "\(checkpoint.path)/\(name): missing") }
    let report = try replica.variables.load(file)
    if let missing = report.missing.first { throw Failure(.data, "\(file.path): tensor \(missing) is missing") }
    replica.variablesChanged()
  }
}
