import Foundation

/// Trains one replica of the run: pairs -> batch -> step -> buckets -> averaged gradients -> optimizer -> checkpoint ->
/// metrics.
package final class Trainer {
  private let options: Options
  private let communicator: any Communicator
  private let dataset: Dataset
  private let sampler: Sampler
  private let replica: Replica
  private let optimizer: Optimizer
  private let statistics: RunningStatistics
  private let validation: Validation
  private let rate: LearningRate
  private let buckets: Buckets
  private let progress: Progress
  private var state: State
  private var accumulated: [Float] = []
  /// The step of the newest checkpoint.
  private var checkpointed: Int?

  /// The names of the losses that a step tells.
  private static let losses = ["loss", "loss_patient", "loss_eyes", "loss_contrast"]

  /// Sets a run up on every rank.
  package init(_ start: RunStart, _ communicator: any Communicator, _ progress: Progress) throws {
    (options, dataset, sampler) = (start.options, start.dataset, start.sampler)
    (self.communicator, self.progress, state) = (communicator, progress, start.state)
    let (options, sampler, rank, ranks) = (options, sampler, communicator.rank, communicator.size)
    let network = try communicator.together { try options.network(labels: start.dataset.labels.count) }
    (replica, optimizer) = try communicator.together {
      let replica = try Replica(
        network, height: options.size.height, width: options.size.width, threads: options.threads, seed: options.seed,
        recomputes: options.recompute)
      // The largest program is compiled here, so that what does not fit into memory is said before a file is written.
      let own = Sampler.share(0..<min(options.batch, sampler.patients.count), rank: rank, ranks: ranks).count
      _ = try replica.training(pairs: max(1, (own + options.accumulate - 1) / options.accumulate))
      return (replica, try Optimizer(options, replica))
    }
    statistics = RunningStatistics(replica.variables)
    rate = LearningRate(options: options, steps: sampler.stepsPerEpoch * options.epochs)
    buckets = Buckets(
      count: replica.variables.gradientCount, tensors: replica.variables.gradientRanges.map(\.range))
    validation = Validation(start, Predictor(replica, communicator, workers: options.workers), optimizer, progress)
    try load(start)
    checkpointed = start.isResumed ? state.step : nil
  }

  /// Rank 0's start, or its checkpoint, becomes everybody's.
  private func load(_ start: RunStart) throws {
    try communicator.together {
      if let checkpoint = start.checkpoint {
        _ = try replica.variables.load(checkpoint.requiredFile("model.safetensors"))
        let average = options.ema > 0 ? try checkpoint.requiredFile("ema.safetensors") : nil
        try optimizer.restore(
          steps: state.optimizerSteps, moments: checkpoint.requiredFile("optimizer.safetensors"), average: average)
      } else if communicator.rank == 0, !start.isResumed, let path = options.pretrained {
        let report = try replica.variables.load(Safetensors(path: path), into: "trunk.")
        progress.say("start from \(path)")
        if !report.missing.isEmpty {
          progress.say("  not in it, so left at their start: \(Self.grouped(report.missing))")
        }
        if !report.unused.isEmpty { progress.say("  in it but not used: \(Self.grouped(report.unused))") }
      }
    }
    try communicator.broadcast(replica.variables.bytes, root: 0)
    if start.isResumed {
      try optimizer.broadcast(communicator, steps: state.optimizerSteps)
    } else {
      optimizer.startAverage()
    }
  }

  /// Tensor names in short: modules with their number of tensors.
  private static func grouped(_ names: [String]) -> String {
    var counts: [(String, Int)] = []
    for name in names {
      let parts = name.split(separator: ".")
      let group = parts.prefix(parts.first == "trunk" ? 2 : 1).joined(separator: ".")
      if counts.last?.0 == group { counts[counts.count - 1].1 += 1 } else { counts.append((group, 1)) }
    }
    return counts.map { "\($0.0) (\($0.1))" }.joined(separator: ", ")
  }

  /// Trains to the end, or until somebody asks to stop. `run` is rank 0's folder.
  package func train(in run: RunDirectory?) throws {
    let loader = makeLoader()
    progress.begin(at: state.step, of: sampler.stepsPerEpoch * options.epochs)
    while true {
      guard state.isEvaluationDue || state.epoch < options.epochs else { break }
      try stopWhereAsked(run)
      if state.isEvaluationDue {
        try validation.evaluate(&state, run)
        if let line = try communicator.warningLine(dataset) { progress.say(line) }
        continue
      }
      try step(loader, run)
      if state.position == sampler.stepsPerEpoch { (state.epoch, state.position) = (state.epoch + 1, 0) }
      let every = options.checkpointEvery
      if state.position == 0 || (every > 0 && state.step % every == 0) { try checkpoint(run) }
    }
  }

  /// The batches of this rank from where the run stands to its end; a step has `accumulate` of them, some without pairs.
  private func makeLoader() -> Loader {
    let (ranks, rank, parts, sampler, epochs) = (
      communicator.size, communicator.rank, options.accumulate, sampler, options.epochs
    )
    let begin = state.epoch * sampler.stepsPerEpoch + state.position
    // The order of an epoch is drawn once, when the loader first comes to it.
    let orders = EpochOrders(sampler)
    return Loader(
      dataset, Preparation(height: options.size.height, width: options.size.width),
      augmentation: Augmentation(seed: options.seed, flip: options.flip), workers: options.workers
    ) { index in
      let step = begin + index / parts
      let epoch = step / max(1, sampler.stepsPerEpoch)
      guard epoch < epochs else { return nil }
      let own = Sampler.share(sampler.positions(step: step % sampler.stepsPerEpoch), rank: rank, ranks: ranks)
      let order = orders[epoch]
      return Sampler.share(own, rank: index % parts, ranks: parts).map {
        Example(patient: order[$0], epoch: epoch, position: $0)
      }
    }
  }

  /// Where any rank was asked to stop: a checkpoint of this step, whichever it is, and the end.
  private func stopWhereAsked(_ run: RunDirectory?) throws {
    guard try communicator.maximum(Signals.isStopRequested ? 1 : 0) > 0 else { return }
    if checkpointed != state.step { try checkpoint(run) }
    throw Agreed(
      failure: Failure(
        .stopped, "stopped by a signal after step \(state.step); checkpoint written", hint: "go on with --resume"))
  }

  private func step(_ loader: Loader, _ run: RunDirectory?) throws {
    var clock = Stopwatch()
    let pairs = sampler.positions(step: state.position).count
    let gradients = replica.variables.gradients
    statistics.remember()
    var (losses, ownPairs) = ([Double](repeating: 0, count: Self.losses.count), 0)
    // What goes wrong here is said at the one place below where all ranks hear of it.
    let outcome = Result {
      for part in 0..<options.accumulate {
        guard let batch = try loader.next() else { throw Failure(.run, "the loader ended before the run") }
        clock.lap("data")
        try forwardAndBackward(batch, pairs: pairs, &losses)
        if options.accumulate > 1 { accumulate(part, gradients) }
        ownPairs += batch.examples.count
        clock.lap("compute")
      }
    }
    state.step += 1
    state.position += 1
    var isFinite = try agree(outcome, losses)
    clock.lap("wait")
    if isFinite { try buckets.sum(gradients, communicator) }
    try losses.withUnsafeMutableBufferPointer { try communicator.sum($0) }
    let norm = isFinite ? optimizer.gradientNorm() : .nan
    if !norm.isFinite, isFinite {
      isFinite = false
      if options.onNonfinite == .stop {
        throw Agreed(failure: Failure(.run, "step \(state.step): the sum of the ranks' gradients is not finite"))
      }
    }
    if isFinite {
      try statistics.average(communicator, share: Float(ownPairs) / Float(pairs))
    } else {
      statistics.restore()
    }
    clock.lap("communicate")
    let learningRate = rate(state.step - 1)
    if isFinite {
      optimizer.step(rate: learningRate, norm: norm)
      state.optimizerSteps = optimizer.steps
    }
    clock.lap("update")
    guard let run else { return }
    try report(run, losses, norm: norm, rate: learningRate, pairs: pairs, clock, isSkipped: !isFinite)
  }

  private func forwardAndBackward(_ batch: Batch, pairs: Int, _ losses: inout [Double]) throws {
    guard !batch.examples.isEmpty else {
      replica.variables.gradients.update(repeating: 0)
      return
    }
    let program = try replica.training(pairs: batch.examples.count)
    program.fill("images") { batch.copyImages(into: $0) }
    program.set("labels", batch.labels)
    program.set("eye_labels", batch.eyeLabels)
    program.set("pairs", [Float(pairs)])
    let seed = options.seed
    program.fillBytes("keys") { bytes in
      let words = bytes.bindMemory(to: UInt32.self)
      for (index, example) in batch.examples.enumerated() {
        words[4 * index] = UInt32(truncatingIfNeeded: seed)
        words[4 * index + 1] = UInt32(truncatingIfNeeded: seed >> 32)
        words[4 * index + 2] = UInt32(truncatingIfNeeded: example.epoch)
        words[4 * index + 3] = UInt32(truncatingIfNeeded: example.position)
      }
    }
    program.run()
    for (index, name) in Self.losses.enumerated() {
      if let value = program.scalar(name) { losses[index] += Double(value) }
    }
  }

  /// Adds up the gradients of a step's parts; after the last they lie where one part alone would have left them.
  private func accumulate(_ part: Int, _ gradients: UnsafeMutableBufferPointer<Float>) {
    if accumulated.isEmpty { accumulated = Array(repeating: 0, count: gradients.count) }
    for i in gradients.indices { accumulated[i] = part == 0 ? gradients[i] : accumulated[i] + gradients[i] }
    if part == options.accumulate - 1 { _ = gradients.update(fromContentsOf: accumulated) }
  }

  /// What became of every rank's share of the step: an error of any ends the run on all; true where every loss and gradient is
  /// finite. If not, the run ends with the first tensor concerned and its rank, or the step is skipped on all ranks.
  private func agree(_ outcome: Result<Void, any Error>, _ losses: [Double]) throws -> Bool {
    var failure: Failure?
    var isFinite = true
    switch outcome {
    case .failure(let error): failure = Failure(error)
    case .success:
      isFinite = losses[0].isFinite && optimizer.gradientNorm().isFinite
      if !isFinite, options.onNonfinite == .stop { failure = notFinite(losses) }
    }
    let severity = failure != nil ? 2 : isFinite ? 0 : 1
    let worst = try communicator.maximum(severity)
    if worst == 2 { try communicator.agree(on: failure) }
    return worst == 0
  }

  /// Names the first tensor that is not finite.
  private func notFinite(_ losses: [Double]) -> Failure {
    let variables = replica.variables
    let name = variables.parameters.first { variables.gradient($0)?.contains { !$0.isFinite } ?? false }
    let tensor =
      losses[0].isFinite ? name.map { "the gradient of \(variables.list[$0].name)" } ?? "the gradient" : "the loss"
    return Failure(.run, "step \(state.step): \(tensor) is not finite")
  }

  private func report(
    _ run: RunDirectory, _ losses: [Double], norm: Double, rate: Float, pairs: Int, _ clock: Stopwatch, isSkipped: Bool
  ) throws {
    var line: [String: Any] = [
      "step": state.step, "epoch": (state.step - 1) / sampler.stepsPerEpoch + 1, "learning_rate": Double(rate),
      "pairs_per_second": Double(pairs) / clock.total, "seconds": clock.total, "seconds_by_share": clock.laps,
    ]
    line["gradient_norm"] = norm.isFinite ? norm : NSNull()
    for (name, value) in zip(Self.losses, losses) { line[name] = value.isFinite ? value : NSNull() }
    if isSkipped { line["skipped"] = true }
    try run.append("metrics.jsonl", String(decoding: json(line), as: UTF8.self))
    progress.step(state.step, loss: losses[0], pairs: pairs, seconds: clock.total)
  }

  /// Proves that all replicas hold the same bits, and writes them down. Nothing of the run changes by it.
  private func checkpoint(_ run: RunDirectory?) throws {
    let variables = replica.variables
    var checksum = Checksum()
    checksum.add(UnsafeRawBufferPointer(variables.bytes))
    for index in variables.parameters {
      if let average = optimizer.averaged(index) { checksum.add(UnsafeRawBufferPointer(average)) }
    }
    try communicator.verifyReplicas(checksum, at: state.step)
    try communicator.together {
      guard let run else { return }
      var files = [("model.safetensors", variables.items()), ("optimizer.safetensors", optimizer.items)]
      if options.ema > 0 { files.append(("ema.safetensors", optimizer.averageItems)) }
      try run.checkpoints.write(state, files: files)
      run.checkpoints.prune(upTo: state.step, keep: options.keep, best: state.bestStep)
    }
    checkpointed = state.step
  }
}

/// The orders of epochs, the newest two kept.
private final class EpochOrders: @unchecked Sendable {
  // Unchecked: only touched under `lock`.
  private let sampler: Sampler
  private let lock = NSLock()
  private var known: [(epoch: Int, order: [Int])] = []

  init(_ sampler: Sampler) { self.sampler = sampler }

  subscript(epoch: Int) -> [Int] {
    lock.withLock {
      if let found = known.first(where: { $0.epoch == epoch }) { return found.order }
      let order = sampler.order(epoch: epoch)
      known = known.suffix(1) + [(epoch, order)]
      return order
    }
  }
}
