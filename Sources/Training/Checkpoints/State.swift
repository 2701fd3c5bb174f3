import Foundation

/// Where a run stands, and everything that fixes how it goes on: `state.json` of a checkpoint.
package struct State: Codable, Sendable {
  /// Steps taken.
  package var step = 0
  /// The epoch the next step belongs to, from 0.
  package var epoch = 0
  /// Steps taken in that epoch.
  package var position = 0
  /// Steps the optimizer took: skipped ones do not count.
  package var optimizerSteps = 0
  /// Epochs whose evaluation is done.
  package var evaluatedEpochs = 0
  /// The best evaluation so far, by the run's measure.
  package var bestScore: Double?
  /// The step of the best evaluation.
  package var bestStep: Int?
  /// The network.
  package var configuration: Configuration
  /// Everything the run was told.
  package var options: Options
  /// The labels (see `Patient.labelText`) of the patients that train, by ID.
  package var training: [String: String]
  /// The labels of the patients that validate, by ID.
  package var validation: [String: String]
  /// The program's version.
  package var version = Environment.version
  /// SHA-256 of each file beside this one.
  package var files: [String: String] = [:]

  /// The start of a run.
  init(_ options: Options, _ configuration: Configuration, _ split: Split, of dataset: Dataset) {
    (self.options, self.configuration) = (options, configuration)
    func labels(_ places: [Int]) -> [String: String] {
      Dictionary(uniqueKeysWithValues: places.map { (dataset.patients[$0].id, dataset.patients[$0].labelText) })
    }
    (training, validation) = (labels(split.training), labels(split.validation))
  }

  /// Refuses counts that do not fit epochs of so many steps; `path`: the checkpoint, for the message.
  func require(stepsPerEpoch: Int, _ path: String) throws {
    guard step == epoch * stepsPerEpoch + position, position < stepsPerEpoch else {
      throw Failure(
        .data,
        "\(path)/state.json: step \(step) does not fit epoch \(epoch) and position \(position) of \(stepsPerEpoch) steps an epoch"
      )
    }
  }

  /// Whether the epoch that has just ended still waits for its evaluation.
  var isEvaluationDue: Bool { evaluatedEpochs < epoch }

  /// The epoch that has just ended is evaluated; true where its `score`, by the run's measure, is the best so far.
  @discardableResult
  mutating func finishEvaluation(score: Double?) -> Bool {
    evaluatedEpochs = epoch
    guard let score, bestScore.map({ score > $0 }) ?? true else { return false }
    (bestScore, bestStep) = (score, step)
    return true
  }

  /// Whether the run ends here since its evaluations have become no better for as many epochs as it is patient.
  func hasStalled(stepsPerEpoch: Int) -> Bool {
    guard options.patience > 0, position == 0, !isEvaluationDue, let bestStep else { return false }
    return epoch - bestStep / stepsPerEpoch >= options.patience
  }

  /// What every version writes.
  private struct Origin: Decodable { let version: String }

  /// Files a checkpoint may hold beside its state.
  static let fileNames = ["model.safetensors", "optimizer.safetensors", "ema.safetensors"]

  /// Reads and checks a `state.json`.
  init(path: String) throws {
    let file = try InputFile(path)
    let data = try file.read(at: 0, count: file.byteCount)
    do { self = try JSONDecoder().decode(State.self, from: data) } catch {
      let version = try? JSONDecoder().decode(Origin.self, from: data).version
      let other = version.flatMap {
        $0 == Environment.version ? nil : "of dmsnet \($0), which this version cannot read"
      }
      throw Failure(
        .data, "\(path): not a checkpoint's state: \(other ?? (error as? Failure)?.message ?? "not as expected")")
    }
    func require(_ holds: Bool, _ what: String) throws {
      if !holds { throw Failure(.data, "\(path): not a checkpoint's state: \(what)") }
    }
    let largest = 1 << 40
    for (name, value) in [("step", step), ("epoch", epoch), ("position", position), ("optimizerSteps", optimizerSteps)]
    {
      try require((0...largest).contains(value), "\(name) is \(value)")
    }
    try require(position <= step && epoch <= step && optimizerSteps <= step, "its counts do not fit one another")
    try require((0...epoch).contains(evaluatedEpochs), "evaluatedEpochs is \(evaluatedEpochs) of \(epoch)")
    try require(bestStep.map { (0...step).contains($0) } ?? true, "bestStep is \(bestStep ?? 0) of \(step)")
    try require(bestScore?.isFinite ?? true, "bestScore is not finite")
    if let name = files.keys.first(where: { !Self.fileNames.contains($0) }) {
      try require(false, "it names a file \(name)")
    }
    try require(files["model.safetensors"] != nil, "it names no model.safetensors")
    do {
      try configuration.validate()
      try require(
        configuration == options.network(labels: configuration.labels).configuration,
        "its options describe another network")
    } catch let failure as Failure {
      throw Failure(
        .data, failure.kind == .data ? failure.message : "\(path): not a checkpoint's state: \(failure.message)")
    }
    try require(Set(training.keys).isDisjoint(with: validation.keys), "a patient is on both sides")
  }
}

extension Patient {
  /// The labels of the patient, of the left and of the right eye: "01000000 01000000 10000000".
  var labelText: String { ([labels] + eyeLabels).map { $0.map(String.init).joined() }.joined(separator: " ") }
}

extension Split {
  /// The split of the run at `state`, found again in `dataset`: every patient must be there with the labels that the run saw;
  /// patients that the run does not know stay out.
  package init(_ dataset: Dataset, of state: State) throws {
    let known = Set(dataset.patients.map(\.id))
    let all = state.training.merging(state.validation) { $1 }
    let missing = all.keys.filter { !known.contains($0) }.sorted(by: Dataset.precedes)
    if let first = missing.first {
      throw Failure(
        .usage,
        "\(dataset.annotations): \(missing.count) of the run's \(all.count) patients are not there with both images, for example \(first)",
        hint: "a resumed run needs the patients that it began with")
    }
    for patient in dataset.patients {
      guard let labels = all[patient.id], labels != patient.labelText else { continue }
      throw Failure(
        .usage,
        "\(dataset.annotations), row \(patient.row): labels of patient \(patient.id) and both eyes are \(patient.labelText), the run's are \(labels)",
        hint: "a resumed run needs the labels that it began with")
    }
    func places(_ side: [String: String]) -> [Int] {
      dataset.patients.indices.filter { side[dataset.patients[$0].id] != nil }
    }
    self.init(training: places(state.training), validation: places(state.validation))
  }
}
