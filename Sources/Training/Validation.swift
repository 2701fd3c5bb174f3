import Foundation

/// What an epoch ends with: the validation patients' measures, the best of which is kept.
struct Validation {
  /// What counts for a measure that is not defined: less than any that is.
  static let undefined = -1.0

  private let patients: [Int]
  private let dataset: Dataset
  private let options: Options
  private let predictor: Predictor
  private let optimizer: Optimizer
  private let progress: Progress
  private let stepsPerEpoch: Int

  init(_ start: RunStart, _ predictor: Predictor, _ optimizer: Optimizer, _ progress: Progress) {
    (patients, dataset, options) = (start.split.validation, start.dataset, start.options)
    (self.predictor, self.optimizer, self.progress) = (predictor, optimizer, progress)
    stepsPerEpoch = start.sampler.stepsPerEpoch
  }

  /// Evaluates the epoch that `state` has just ended. The best evaluation's files and link are written first and the line in
  /// `metrics.jsonl` last: a run that is killed in between does it again and ends the same. `finishCheckpoint` returns once the
  /// epoch's checkpoint is there, which the best evaluation's link needs.
  func evaluate(_ state: inout State, _ run: RunDirectory?, finishCheckpoint: () throws -> Void) throws {
    try predictor.whereabouts.during(.evaluating) { try measure(&state, run, finishCheckpoint: finishCheckpoint) }
  }

  private func measure(_ state: inout State, _ run: RunDirectory?, finishCheckpoint: () throws -> Void) throws {
    guard !patients.isEmpty else {
      state.finishEvaluation(score: nil)
      return
    }
    predictor.variablesChanged()
    let source = "\(options.output)/checkpoints/\(CheckpointStore.name(state.step))"
    let raw = try predictor.probabilities(dataset, patients, with: source + "/model.safetensors")
    let averaged =
      options.ema > 0
      ? try optimizer.withAverage {
        try predictor.probabilities(dataset, patients, with: source + "/ema.safetensors")
      } : nil
    try finishCheckpoint()
    let reports = [averaged, raw].compactMap { values in
      values.map {
        Report(patients.map { dataset.patients[$0] }, labels: dataset.labels, probabilities: $0, seed: options.seed)
      }
    }
    let isBest = state.finishEvaluation(score: reports[0].value(options.monitor.key) ?? Self.undefined)
    guard let run else { return }
    try write(run, reports, state, isBest: isBest)
    progress.epoch(
      state.epoch, of: options.epochs, reports[0], monitor: options.monitor.key, isBest: isBest,
      isLast: state.epoch == options.epochs || state.hasStalled(stepsPerEpoch: stepsPerEpoch))
  }

  private func write(_ run: RunDirectory, _ reports: [Report], _ state: State, isBest: Bool) throws {
    let thresholds = reports[0].thresholds
    try run.checkpoints.write(thresholds: thresholds, step: state.step)
    let object = reports[0].metrics(
      raw: reports.count > 1 ? reports[1] : nil, step: state.step, thresholds: thresholds)
    if isBest {
      try run.write("metrics.json", json(object, indented: true))
      try run.write("predictions.csv", Data(reports[0].csv.utf8))
      run.checkpoints.linkBest(state.step)
      run.checkpoints.prune(upTo: state.step, keep: options.keep, best: state.bestStep)
    }
    let told = [
      "step", "kappa", "f1", "auc", "final", "accuracy", "recall", "exact_match", "auc_macro", "f1_positive", "weights",
      options.monitor.key,
    ]
    var line = object.filter { told.contains($0.key) }
    (line["epoch"], line["evaluation"]) = (state.epoch, true)
    try run.append("metrics.jsonl", String(decoding: json(line), as: UTF8.self))
  }
}
