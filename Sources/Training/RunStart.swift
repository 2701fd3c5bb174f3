import Foundation

/// What a run begins or goes on with, agreed on by all ranks before a file is touched.
package struct RunStart {
  /// The run's options; where ranks may differ, this rank's.
  package let options: Options
  /// The data set.
  package let dataset: Dataset
  /// Who trains and who validates.
  package let split: Split
  /// The order of training.
  package let sampler: Sampler
  /// Where the run stands.
  package let state: State
  /// Whether the run goes on from a checkpoint.
  package let isResumed: Bool
  /// On rank 0 of a resumed run, the checkpoint.
  package let checkpoint: Checkpoint?
  /// On rank 0 of a new run, the weights that it starts from, if any.
  let pretrained: PretrainedWeights?
  /// The watch over the run's ranks.
  package let watch: Watch
  /// On rank 0 of a resumed run, its folder, locked.
  private let opened: RunDirectory?

  /// What rank 0 tells the others.
  private struct Plan: Codable {
    let options: Options
    let state: State?
    /// What a resumed run does otherwise than before, for people.
    let changes: [String]
  }

  /// Agrees on options, data and the place to go on from. `given`: options as texts by name, as this rank was told.
  package init(
    _ given: [String: [String]], resumes: Bool, _ communicator: any Communicator, _ progress: Progress
  ) throws {
    try communicator.requireSame(Self.program(given, resumes: resumes), .usage)
    let rankZero = try communicator.onFirst { try Self.plan(given, resumes: resumes, progress) } ?? nil
    let told = try communicator.broadcast(
      rankZero.map { String(decoding: try JSONEncoder().encode($0.plan), as: UTF8.self) })
    let plan = try JSONDecoder().decode(Plan.self, from: Data(told.utf8))
    (checkpoint, opened) = (rankZero?.checkpoint, rankZero?.run)

    options = try communicator.together {
      var options = plan.options
      try options.take(given.filter { OptionTable.option($0.key)?.mayDifferByRank == true })
      guard !options.data.isEmpty else { throw Failure(.usage, "--data DIR is missing") }
      return options
    }
    watch = try Watch(communicator, Watch.Settings(options))
    (dataset, split) = try Self.data(options, plan.state, communicator, progress)
    sampler = Sampler(
      options.sampling, dataset, patients: split.training, batch: options.batch, microBatch: options.microBatch,
      seed: options.seed, dropLast: options.dropLast)
    let (options, dataset, split, sampler) = (options, dataset, split, sampler)
    (state, pretrained) = try communicator.together {
      try Self.requireSteps(sampler, ranks: communicator.size)
      let network = try options.network(labels: dataset.labels.count)
      if var state = plan.state {
        state.options = options
        try state.require(stepsPerEpoch: sampler.stepsPerEpoch, rankZero?.checkpoint?.path ?? "the checkpoint")
        return (state, nil)
      }
      try options.checkFreezing(network)
      guard options.patience == 0 || !split.validation.isEmpty else {
        throw Failure(.usage, "--patience needs patients that validate")
      }
      let path = communicator.rank == 0 ? options.pretrained : nil
      return (
        State(options, network.configuration, split, of: dataset),
        try path.map { try StartingWeights.open($0, network) }
      )
    }
    isResumed = plan.state != nil
    if let line = try communicator.warningLine(dataset) { progress.say(line) }
    plan.changes.forEach(progress.say)
    if let line = Self.idleLine(sampler, ranks: communicator.size) { progress.say(line) }
    progress.say(place(resumes: resumes))
  }

  /// The data set and who trains and validates, after all ranks have seen the same and looked at the photographs.
  private static func data(
    _ options: Options, _ state: State?, _ communicator: any Communicator, _ progress: Progress
  ) throws -> (Dataset, Split) {
    let found = try communicator.together { try options.dataset() }
    let (dataset, split): (Dataset, Split)
    if let state {
      split = try communicator.together { try Split(found, of: state) }
      let patients = split.training + split.validation
      try communicator.requireSame(found.facts(of: patients), .data)
      // The run needs the patients that it has.
      dataset = try DataPath(options, communicator, progress).ready(found, patients, onBad: .stop)
    } else {
      try communicator.requireSame(found.facts, .data)
      dataset = try DataPath(options, communicator, progress).ready(
        found, Array(found.patients.indices), onBad: options.onBadImage)
      split = try DataPath(options, communicator, progress).split(dataset, options)
    }
    progress.say(dataset.summary)
    let unknown = dataset.patients.count - split.training.count - split.validation.count
    if unknown > 0 { progress.say("\(unknown) patients are not of this run and stay out") }
    progress.say("\(split.training.count) patients train, \(split.validation.count) validate")
    return (dataset, split)
  }

  /// Negatives a positive among those who train, by label; 1 for a label without positives or negatives.
  var positiveWeights: [Float] {
    dataset.labels.indices.map { label in
      let positives = split.training.count { dataset.patients[$0].labels[label] == 1 }
      let negatives = split.training.count - positives
      return positives == 0 || negatives == 0 ? 1 : min(100, Float(negatives) / Float(positives))
    }
  }

  /// Where the run begins or goes on, for people.
  private func place(resumes: Bool) -> String {
    let total = sampler.stepsPerEpoch * options.epochs
    guard isResumed else {
      return resumes ? "begins anew: the run was stopped before its first checkpoint" : "begins; \(total) steps"
    }
    if state.hasStalled(stepsPerEpoch: sampler.stepsPerEpoch) {
      return "\(state.epoch) epochs are done, \(options.patience) without a better \(options.monitor.key); "
        + "another --patience asks for more"
    }
    let isDone = state.epoch >= options.epochs && !state.isEvaluationDue
    return isDone
      ? "all \(options.epochs) epochs are done; --epochs asks for more" : "goes on from step \(state.step) of \(total)"
  }

  /// What must be the same on every rank before anything is read: the program, and what it was told.
  private static func program(_ given: [String: [String]], resumes: Bool) -> [String: String] {
    var facts = ["program's version": Environment.version, "--resume": resumes ? "given" : "not given"]
    if let bytes = try? Data(contentsOf: URL(fileURLWithPath: ProgramFile.path), options: .mappedIfSafe) {
      var checksum = Checksum()
      bytes.withUnsafeBytes { checksum.add($0) }
      facts["program's checksum"] = String(checksum.value, radix: 16)
    }
    for (name, texts) in given where OptionTable.option(name)?.mayDifferByRank == false {
      facts["--\(name)"] = texts.joined(separator: " ")
    }
    return facts
  }

  /// The options and the checkpoint to go on from, on rank 0. A refusal leaves every file as it was.
  private static func plan(_ given: [String: [String]], resumes: Bool, _ progress: Progress) throws -> (
    plan: Plan, run: RunDirectory?, checkpoint: Checkpoint?
  ) {
    let wanted = try Options(given)
    try wanted.checkFolds()
    guard !wanted.output.isEmpty else { throw Failure(.usage, "--output DIR is missing") }
    guard resumes else {
      try RunDirectory.refuseRun(wanted.output)
      return (Plan(options: wanted, state: nil, changes: []), nil, nil)
    }
    let run = try RunDirectory(wanted.output, resumes: true) { progress.say($0) }
    let checkpoint = try run.checkpoints.newest()
    let before = try checkpoint?.state.options ?? Options(ConfigurationFile.read("\(run.path)/config.yaml"))
    let (options, changes) = try before.resumed(given)
    var state = checkpoint?.state
    // An epoch's checkpoint is written before its evaluation, which may be done all the same.
    if let step = state?.step, let score = run.evaluated(options.monitor.key, at: step) {
      state?.finishEvaluation(score: score)
    }
    return (Plan(options: options, state: state, changes: changes), run, checkpoint)
  }

  private static func requireSteps(_ sampler: Sampler, ranks: Int) throws {
    let pairs = min(sampler.batch, sampler.patients.count)
    guard pairs > 0 else { throw Failure(.usage, "no patient is left to train on") }
    guard pairs >= ranks else { throw Failure(.usage, "\(ranks) ranks are more than the \(pairs) pairs of a step") }
    guard sampler.stepsPerEpoch > 0 else {
      throw Failure(.usage, "--drop-last leaves no step: \(sampler.patients.count) pairs, --batch \(sampler.batch)")
    }
  }

  /// For people, where some ranks have nothing to do.
  private static func idleLine(_ sampler: Sampler, ranks: Int) -> String? {
    let (microBatches, microBatch) = (sampler.microBatches(step: 0).count, sampler.microBatch)
    guard microBatches < ranks else { return nil }
    let idle = ranks - microBatches
    let (has, them) = idle == 1 ? ("has", "it") : ("have", "them")
    let parts = microBatches == 1 ? "micro-batch" : "micro-batches"
    return "\(idle) of \(ranks) ranks \(has) nothing to do: a step has \(microBatches) \(parts) of "
      + "\(microBatch) \(microBatch == 1 ? "pair" : "pairs"); a smaller --micro-batch or a larger --batch gives \(them) work"
  }

  /// Opens the run's folder on rank 0 and writes what the run is; the others get nil. A failed start leaves no folder.
  package func open(_ communicator: any Communicator, _ progress: Progress) throws -> RunDirectory? {
    let environment = Environment.describe(communicator, threads: options.threads)
    let run = try communicator.onFirst { () throws -> RunDirectory in
      let run = try opened ?? RunDirectory(options.output, resumes: false) { progress.say($0) }
      do {
        try run.begin(self, environment: environment)
      } catch {
        run.abandon()
        throw error
      }
      return run
    }
    if let run { progress.write { [weak run] line in try? run?.append("log.txt", line) } }
    return run
  }
}

extension Watch.Settings {
  /// What `options` say of the watch.
  fileprivate init(_ options: Options) {
    self.init()
    timeout = Double(options.stallTimeout)
    log = "\(options.output)/log.txt"
    isStopRequested = { Signals.isStopRequested }
    requests = { Signals.placeRequests }
  }
}

extension RunDirectory {
  /// Writes what the run is, and brings what it has told so far to where it goes on from.
  fileprivate func begin(_ start: RunStart, environment: [String: Any]) throws {
    RunEnd.forget(in: path)
    sweep()
    try rewindMetrics(to: start.isResumed ? start.state.step : 0)
    if start.isResumed {
      checkpoints.mend(last: start.state.step, best: start.state.bestStep)
      checkpoints.prune(upTo: start.state.step, keep: start.options.keep, best: start.state.bestStep)
    }
    try write("environment.json", json(environment, indented: true))
    try write("split.csv", Data(start.split.csv(start.dataset).utf8))
    try write("config.yaml", Data(ConfigurationFile.yaml(start.options).utf8))
  }
}

extension Dataset {
  /// What ranks compare of all patients.
  public var facts: [String: String] { facts(of: Array(patients.indices)) }

  /// What ranks compare: labels and photographs of each of `patients`.
  package func facts(of patients: [Int]) -> [String: String] {
    var facts = ["number of patients": "\(patients.count)"]
    for patient in patients.map({ self.patients[$0] }) {
      facts["labels of patient \(patient.id) and both eyes"] = patient.labelText
      for (side, path) in [("left", patient.left), ("right", patient.right)] {
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? Int
        facts["\(side) photograph of patient \(patient.id)"] =
          "\(URL(fileURLWithPath: path).lastPathComponent) of \(size.map(String.init) ?? "unknown") bytes"
      }
    }
    return facts
  }
}
