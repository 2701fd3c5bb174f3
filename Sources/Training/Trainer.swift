import Foundation

/// One rank's part of a training run: pairs -> batch -> step -> buckets -> averaged gradients -> optimizer -> checkpoint ->
/// metrics.
public final class Trainer {
  private let options: Options
  private let communicator: any Communicator
  private let dataset: Dataset
  private let split: Split
  private let sampler: Sampler
  private let replica: Replica
  private let optimizer: Optimizer
  private let rate: LearningRate
  private let buckets: Buckets
  private let run: RunDirectory?
  private let progress: Progress
  private var state: State
  private var accumulated: [Float] = []

  /// Sets a run up on every rank. `run` is rank 0's; `resumed` the checkpoint to take up, rank 0's as well.
  public init(
    _ options: Options, _ communicator: any Communicator, _ dataset: Dataset, _ split: Split, run: RunDirectory?,
    resumed: Checkpoint?, progress: Progress
  ) throws {
    (self.options, self.communicator, self.dataset, self.split) = (options, communicator, dataset, split)
    (self.run, self.progress) = (run, progress)
    let network = try options.network(labels: dataset.labels.count)
    sampler = Sampler(patients: split.training, batch: options.batch, seed: options.seed, dropLast: options.dropLast)
    replica = try Replica(
      network, height: options.height, width: options.imageWidth, threads: options.threads, seed: options.seed,
      recomputes: options.recompute)
    rate = LearningRate(options: options, steps: sampler.stepsPerEpoch * options.epochs)
    buckets = Buckets(
      count: replica.variables.gradientCount, tensors: replica.variables.gradientRanges.map(\.range))
    optimizer = try Optimizer(options, replica)
    state = State()
    state.seed = options.seed
    state.configuration = network.configuration
    state.options = options
    state.validation = split.validation.map { dataset.patients[$0].id }
    state.dataFingerprint = dataset.fingerprint
    state.version = Environment.version
    try start(resumed)
  }

  /// Rank 0's start, or its checkpoint, becomes everybody's.
  private func start(_ resumed: Checkpoint?) throws {
    try communicator.together {
      if let resumed {
        guard let model = try resumed.file("model.safetensors"), let moments = try resumed.file("optimizer.safetensors")
        else {
          throw Failure(.data, "\(resumed.path): model or optimizer state is missing")
        }
        _ = try replica.variables.load(model)
        state = resumed.state
        state.options = options
        try optimizer.restore(
          steps: state.optimizerSteps, moments: moments, average: try resumed.file("ema.safetensors"))
      } else if communicator.rank == 0, let path = options.pretrained {
        let report = try replica.variables.load(Safetensors(path: path), into: "trunk.")
        progress.say("start from \(path)")
        if !report.missing.isEmpty {
          progress.say("  not in it, so left at their start: \(Self.grouped(report.missing))")
        }
        if !report.unused.isEmpty { progress.say("  in it but not used: \(Self.grouped(report.unused))") }
      }
    }
    try communicator.broadcast(replica.variables.bytes, root: 0)
    guard try communicator.maximum(resumed == nil ? 0 : 1) > 0 else { return optimizer.startAverage() }
    let text = try communicator.broadcast(String(decoding: JSONEncoder().encode(state), as: UTF8.self))
    state = try JSONDecoder().decode(State.self, from: Data(text.utf8))
    try optimizer.broadcast(communicator, steps: state.optimizerSteps)
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

  /// Trains to the end, or until somebody asks to stop.
  public func train() throws {
    let first = (epoch: state.epoch, step: state.position)
    let (ranks, rank, parts, sampler, epochs) = (
      communicator.size, communicator.rank, options.accumulate, sampler, options.epochs
    )
    let begin = first.epoch * sampler.stepsPerEpoch + first.step
    // The order of an epoch is drawn once, when the loader first comes to it.
    let orders = EpochOrders(sampler)
    let loader = Loader(
      dataset, Preparation(height: options.height, width: options.imageWidth),
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
    progress.begin(at: begin, of: sampler.stepsPerEpoch * epochs)
    while state.epoch < epochs {
      try step(loader)
      if state.position == sampler.stepsPerEpoch {
        state.epoch += 1
        state.position = 0
        try endEpoch()
      } else if options.checkpointEvery > 0, state.step % options.checkpointEvery == 0 {
        try checkpoint(isBest: false)
      }
      if try communicator.maximum(Signals.isStopRequested ? 1 : 0) > 0, state.epoch < epochs {
        if state.position != 0, !(options.checkpointEvery > 0 && state.step % options.checkpointEvery == 0) {
          try checkpoint(isBest: false)
        }
        throw Agreed(
          failure: Failure(
            .stopped, "stopped by a signal after step \(state.step); checkpoint written", hint: "go on with --resume"))
      }
    }
  }

  private func step(_ loader: Loader) throws {
    var clock = Stopwatch()
    let pairs = sampler.positions(step: state.position).count
    var losses: [String: Double] = [:]
    let gradients = replica.variables.gradients
    for part in 0..<options.accumulate {
      guard let batch = try communicator.together({ try loader.next() }) else {
        throw Failure(.run, "the loader ended before the run")
      }
      clock.lap("data")
      try forwardAndBackward(batch, pairs: pairs, &losses)
      if options.accumulate > 1 { accumulate(part, gradients) }
      clock.lap("compute")
    }
    state.step += 1
    state.position += 1
    let isFinite = try agreeFinite(losses)
    clock.lap("wait")
    try buckets.sum(gradients, communicator)
    let names = ["loss", "loss_patient", "loss_eyes", "loss_contrast"]
    var values = names.map { losses[$0] ?? 0 }
    try values.withUnsafeMutableBufferPointer { try communicator.sum($0) }
    clock.lap("communicate")
    let learningRate = rate(state.step - 1)
    let norm = optimizer.gradientNorm()
    if isFinite, norm.isFinite {
      optimizer.step(rate: learningRate, norm: norm)
      state.optimizerSteps = optimizer.steps
    } else if options.onNonfinite == .stop {
      throw Agreed(failure: Failure(.run, "step \(state.step): the sum of the ranks' gradients is not finite"))
    }
    clock.lap("update")
    try report(
      names, values, norm: norm, rate: learningRate, pairs: pairs, clock, skipped: !(isFinite && norm.isFinite))
  }

  private func forwardAndBackward(_ batch: Batch, pairs: Int, _ losses: inout [String: Double]) throws {
    guard !batch.examples.isEmpty else {
      replica.variables.gradients.update(repeating: 0)
      return
    }
    let program = try replica.training(pairs: batch.examples.count)
    program.fill("images") { batch.normalise(into: $0) }
    program.set("labels", batch.labels)
    program.set("eye_labels", batch.eyeLabels)
    program.set("pairs", [Float(pairs)])
    let seed = options.seed
    program.fillBytes("keys") { bytes in
      let words = bytes.bindMemory(to: UInt32.self)
      for (index, example) in batch.examples.enumerated() {
        words[4 * index] = UInt32(truncatingIfNeeded: seed)
        words[4 * index + 1] = UInt32(truncatingIfNeeded: seed >> 32)
        words[4 * index + 2] = UInt32(example.epoch)
        words[4 * index + 3] = UInt32(example.position)
      }
    }
    program.run()
    for name in ["loss", "loss_patient", "loss_eyes", "loss_contrast"] {
      if let value = program.scalar(name) { losses[name, default: 0] += Double(value) }
    }
  }

  /// Adds up the gradients of a step's parts; after the last they lie where one part alone would have left them.
  private func accumulate(_ part: Int, _ gradients: UnsafeMutableBufferPointer<Float>) {
    if accumulated.isEmpty { accumulated = Array(repeating: 0, count: gradients.count) }
    for i in gradients.indices { accumulated[i] = part == 0 ? gradients[i] : accumulated[i] + gradients[i] }
    if part == options.accumulate - 1 { _ = gradients.update(fromContentsOf: accumulated) }
  }

  /// Whether every rank's loss and gradients are finite. If not, the run ends with the first tensor concerned and its rank,
  /// or the step is skipped on all ranks.
  private func agreeFinite(_ losses: [String: Double]) throws -> Bool {
    let isFinite = (losses["loss"] ?? 0).isFinite && optimizer.gradientNorm().isFinite
    guard try communicator.maximum(isFinite ? 0 : 1) > 0 else { return true }
    guard options.onNonfinite == .stop else { return false }
    var failure: Failure?
    if !isFinite {
      let variables = replica.variables
      let tensor =
        losses["loss"]?.isFinite == false
        ? "the loss"
        : variables.parameters.first { variables.gradient($0)?.contains { !$0.isFinite } ?? false }
          .map { "the gradient of \(variables.list[$0].name)" } ?? "the gradient"
      failure = Failure(.run, "step \(state.step): \(tensor) is not finite")
    }
    try communicator.agree(on: failure)
    return false
  }

  private func report(
    _ names: [String], _ values: [Double], norm: Double, rate: Float, pairs: Int, _ clock: Stopwatch, skipped: Bool
  ) throws {
    guard let run else { return }
    var line: [String: Any] = [
      "step": state.step, "epoch": (state.step - 1) / sampler.stepsPerEpoch + 1, "learning_rate": Double(rate),
      "pairs_per_second": Double(pairs) / clock.total, "seconds": clock.total, "seconds_by_share": clock.laps,
    ]
    line["gradient_norm"] = norm.isFinite ? norm : NSNull()
    for (name, value) in zip(names, values) { line[name] = value.isFinite ? value : NSNull() }
    if skipped { line["skipped"] = true }
    try run.append("metrics.jsonl", String(decoding: json(line), as: UTF8.self))
    progress.step(state.step, loss: values[0], pairs: pairs, seconds: clock.total)
  }

  /// Running statistics become the mean over ranks; then the checksum proves that replicas hold the same bits.
  private func settle() throws {
    let variables = replica.variables
    if communicator.size > 1 {
      for index in variables.list.indices
      where !variables.list[index].isParameter && variables.list[index].type.element == .float32 {
        let values = variables.values(index)
        try communicator.sum(values)
        for i in values.indices { values[i] /= Float(communicator.size) }
      }
    }
    var checksum = Checksum()
    checksum.add(UnsafeRawBufferPointer(variables.bytes))
    for index in variables.parameters {
      if let average = optimizer.averaged(index) { checksum.add(UnsafeRawBufferPointer(average)) }
    }
    try communicator.verifyReplicas(checksum, at: state.step)
    replica.variablesChanged()
  }

  private func endEpoch() throws {
    try settle()
    let isBest = try evaluate()
    try checkpoint(isBest: isBest, isSettled: true)
  }

  /// Evaluates the validation patients; true where this is the best so far.
  private func evaluate() throws -> Bool {
    guard !split.validation.isEmpty else { return false }
    let predictor = Predictor(replica, communicator, workers: options.workers)
    let raw = try predictor.probabilities(dataset, split.validation)
    let averaged =
      options.ema > 0
      ? try optimizer.withAverage { try predictor.probabilities(dataset, split.validation) } : nil
    let patients = split.validation.map { dataset.patients[$0] }
    let reports = [raw, averaged].map { values in
      values.map { Report(patients, labels: dataset.labels, probabilities: $0, seed: options.seed) }
    }
    guard let report = reports[1] ?? reports[0] else { return false }
    let isBest = state.bestKappa.map { (report.kappa ?? -1) > $0 } ?? true
    if isBest {
      state.bestKappa = report.kappa ?? -1
      state.bestStep = state.step
    }
    guard let run else { return isBest }
    let object = Self.metrics(report, raw: averaged == nil ? nil : reports[0], step: state.step)
    if isBest {
      try run.write("metrics.json", json(object, indented: true))
      try run.write("predictions.csv", Data(report.csv.utf8))
    }
    let line = object.filter {
      [
        "step", "kappa", "f1", "auc", "final", "accuracy", "recall", "exact_match", "auc_macro", "f1_positive",
        "weights",
      ].contains($0.key)
    }
    try run.append(
      "metrics.jsonl",
      String(decoding: json(line.merging(["epoch": state.epoch, "evaluation": true]) { $1 }), as: UTF8.self))
    progress.epoch(state.epoch, of: options.epochs, report, isBest: isBest, isLast: state.epoch == options.epochs)
    return isBest
  }

  /// `metrics.json`: the report of the weights that evaluation uses, and beside it that of the raw ones where those are averaged.
  public static func metrics(_ report: Report, raw: Report?, step: Int) -> [String: Any] {
    var object = report.object
    object["step"] = step
    object["weights"] = raw == nil ? "model" : "ema"
    if let raw { object["model"] = raw.object }
    return object
  }

  private func checkpoint(isBest: Bool, isSettled: Bool = false) throws {
    if !isSettled { try settle() }
    try communicator.together {
      guard let run else { return }
      var files = [("model.safetensors", replica.variables.items()), ("optimizer.safetensors", optimizer.items)]
      if options.ema > 0 { files.append(("ema.safetensors", optimizer.averageItems)) }
      try Checkpoint.write(run, state, files: files, isBest: isBest, keep: options.keep)
    }
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
