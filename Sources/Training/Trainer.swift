import Foundation

/// Trains one replica of the run: pairs -> micro-batches -> gradients -> sums over all ranks -> optimizer -> checkpoint -> metrics.
package final class Trainer {
  private let options: Options
  private let communicator: any Communicator
  private let dataset: Dataset
  private let sampler: Sampler
  private let replica: Replica
  private let gradientStep: GradientStep
  private let validation: Validation
  private let checkpoints: Checkpointing
  private let rate: LearningRate
  private let progress: Progress
  private var state: State

  /// Sets a run up on every rank.
  package init(_ start: RunStart, _ communicator: any Communicator, _ progress: Progress) throws {
    (options, dataset, sampler) = (start.options, start.dataset, start.sampler)
    (self.communicator, self.progress, state) = (communicator, progress, start.state)
    let (options, sampler) = (options, sampler)
    let meeting = options.syncNorm ? StepMeeting(communicator) : nil
    (replica, gradientStep) = try communicator.together {
      let replica = try Replica(
        options.network(labels: start.dataset.labels.count, positive: start.positiveWeights),
        height: options.size.height, width: options.size.width, threads: options.threads, seed: options.seed,
        recomputes: options.recompute, table: meeting?.table)
      let plan = StepPlan(sampler, step: 0, ranks: communicator.size)
      return (replica, try GradientStep(options, replica, communicator, meeting, largest: plan))
    }
    rate = LearningRate(options: options, steps: sampler.stepsPerEpoch * options.epochs)
    checkpoints = Checkpointing(replica.variables, gradientStep.optimizer, communicator, keep: options.keep)
    validation = Validation(
      start, Predictor(replica, options.preparation, communicator, workers: options.workers), gradientStep.optimizer,
      progress)
    try StartingWeights(start, communicator, progress).load(into: replica, gradientStep.optimizer)
    if start.isResumed { checkpoints.newest = state.step }
  }

  /// Trains to the end, or until somebody asks to stop, and notes there how it ended. `run` is rank 0's folder.
  package func train(in run: RunDirectory?) throws {
    do {
      try communicator.whereabouts.during(.computing) { try takeSteps(run) }
      if run != nil { RunEnd.note(nil, in: options.output) }
    } catch {
      // An error that all know of is noted by rank 0, one that this rank alone met by this rank.
      if run != nil || !(error is Agreed) { RunEnd.note(error, in: options.output) }
      throw error
    }
  }

  private func takeSteps(_ run: RunDirectory?) throws {
    let loader = Loader(
      dataset, options, sampler, for: communicator.rank, of: communicator.size, from: (state.epoch, state.position),
      epochs: options.epochs)
    communicator.whereabouts.finished(step: state.step)
    if run != nil, state.step == 0 { try BatchDump(options)?.write(start: replica.variables) }
    progress.begin(at: state.step, of: sampler.stepsPerEpoch * options.epochs)
    var isStopRequested = try communicator.maximum(Signals.isStopRequested ? 1 : 0) > 0
    func hasStalled() -> Bool { state.hasStalled(stepsPerEpoch: sampler.stepsPerEpoch) }
    while state.isEvaluationDue || (state.epoch < options.epochs && !hasStalled()) {
      if isStopRequested { try stop(run) }
      if state.isEvaluationDue {
        try validation.evaluate(&state, run) { try checkpoints.finish() }
        if let line = try communicator.warningLine(dataset) { progress.say(line) }
        isStopRequested = try communicator.maximum(Signals.isStopRequested ? 1 : 0) > 0
        continue
      }
      isStopRequested = try step(loader, run)
      if state.position == sampler.stepsPerEpoch { (state.epoch, state.position) = (state.epoch + 1, 0) }
      if options.checkEvery > 0, state.step % options.checkEvery == 0 { try checkpoints.verify(at: state.step) }
      let every = options.checkpointEvery
      if state.position == 0 || (every > 0 && state.step % every == 0) { try checkpoints.write(state, run) }
    }
    try checkpoints.finish()
    if hasStalled(), state.epoch < options.epochs {
      progress.say("ends after epoch \(state.epoch): no better \(options.monitor.key) for \(options.patience) epochs")
    }
  }

  /// One step; whether any rank was asked to stop.
  private func step(_ loader: Loader, _ run: RunDirectory?) throws -> Bool {
    let plan = StepPlan(sampler, step: state.position, ranks: communicator.size)
    let rate = rate(state.step)
    gradientStep.optimizer.epoch = state.epoch
    let outcome = try gradientStep.take(plan, number: state.step + 1, rate: rate, loader) { try checkpoints.check() }
    state.step += 1
    communicator.whereabouts.finished(step: state.step)
    state.position += 1
    state.optimizerSteps = gradientStep.optimizer.steps
    if let run {
      let line = outcome.line(
        step: state.step, epoch: state.epoch + 1, rate: rate, pairs: plan.pairs)
      try run.append("metrics.jsonl", String(decoding: json(line), as: UTF8.self))
      progress.step(
        state.step, loss: Double(outcome.losses.total), pairs: plan.pairs, seconds: outcome.times.total)
    }
    return outcome.isStopRequested
  }

  /// A checkpoint of this step, whichever it is, and the end.
  private func stop(_ run: RunDirectory?) throws {
    if checkpoints.newest != state.step { try checkpoints.write(state, run) }
    try checkpoints.finish()
    throw Agreed(
      failure: Failure(
        .stopped, "stopped by a signal after step \(state.step); checkpoint written", hint: "go on with --resume"))
  }
}

extension GradientStep.Outcome {
  /// The line of `metrics.jsonl`.
  fileprivate func line(step: Int, epoch: Int, rate: Float, pairs: Int) -> [String: Any] {
    var line: [String: Any] = [
      "step": step, "epoch": epoch, "learning_rate": Double(rate), "pairs_per_second": Double(pairs) / times.total,
      "seconds": times.total, "seconds_by_share": times.object, "gradient_norm": norm.isFinite ? norm : NSNull(),
    ]
    for (name, value) in zip(StepLosses.names, losses.values) {
      line[name] = value.isFinite ? Double(value) : NSNull()
    }
    if isSkipped { line["skipped"] = true }
    return line
  }
}
