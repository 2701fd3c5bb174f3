import Foundation

/// SGD with momentum or AdamW, clipping by the global norm, and an exponential moving average of the weights. Some weights may move
/// slower, or not at all for a while.
final class Optimizer {
  /// AdamW's decay rates and epsilon, PyTorch's defaults.
  private static let (beta1, beta2, epsilon): (Float, Float, Float) = (0.9, 0.999, 1e-8)

  private let options: Options
  private let replica: Replica
  private let shards: Shards
  private let update: WeightUpdate
  private let average: WeightUpdate?
  /// Steps taken, for AdamW's bias corrections and the average's start.
  private(set) var steps = 0
  /// The epoch of the step, from 0, which says whether frozen weights still stay.
  var epoch = 0
  /// How this step moves weights.
  private var rule = WeightUpdate.Rule.measure
  private var rate: Float = 0
  private var scale: Float = 1

  init(_ options: Options, _ replica: Replica, _ shards: Shards) throws {
    (self.options, self.replica, self.shards) = (options, replica, shards)
    let slices = shards.isSharded ? shards.slices : nil
    update = try WeightUpdate(
      replica.variables, states: options.optimizer == .adamw ? 2 : 1, treatment: options.treatment(of:),
      chunk: Buckets.chunk, slices: slices)
    average =
      options.ema > 0
      ? try WeightUpdate(replica.variables, states: 1, chunk: Buckets.chunk, slices: slices) : nil
  }

  /// The average starts as the weights.
  func startAverage() { averageState.map { shards.keep($0, from: replica.variables.weights) } }

  private var averageState: Storage? { average?.states[0] }

  /// The Euclidean norm of the gradients of weights that move. Collective where sharded.
  func gradientNorm() throws -> Double {
    try update.gradientNorm(frozen: options.isFrozen(epoch), team: replica.team) { try shards.complete($0) }
  }

  /// Begins a step along gradients whose norm is `norm`; nil: not yet known, and not clipped.
  func begin(rate: Float, norm: Double?) {
    steps += 1
    self.rate = rate
    scale = 1
    if let norm, options.clip > 0, norm > Double(options.clip) { scale = Float(Double(options.clip) / (norm + 1e-6)) }
    switch options.optimizer {
    case .sgd: rule = .sgd(momentum: options.momentum)
    case .adamw:
      rule = .adamw(
        beta1: Self.beta1, beta2: Self.beta2, epsilon: Self.epsilon,
        first: Float(1 - pow(Double(Self.beta1), Double(steps))),
        second: Float(1 - pow(Double(Self.beta2), Double(steps))))
    }
  }

  /// Moves the weights within `bucket`, and their average.
  func move(_ bucket: Range<Int>) {
    update.apply(
      rule, within: bucket, rate: rate, decay: options.weightDecay, scale: scale, frozen: options.isFrozen(epoch),
      team: replica.team)
    // Early on the average would be mostly the start.
    let keep = min(options.ema, Float(steps) / Float(steps + options.emaWarmup))
    average?.apply(.average(share: 1 - keep), within: bucket, team: replica.team)
  }

  /// Whether weights must wait until the norm of all gradients is known.
  var needsNorm: Bool { options.clip > 0 || options.onNonfinite == .skip }

  /// Runs `body` with the averaged weights in the weights' place. Collective where sharded.
  func withAverage<Result>(_ body: () throws -> Result) throws -> Result {
    guard let averageState else { return try body() }
    let whole = try shards.gathered(averageState)
    exchange(whole)
    defer { exchange(whole) }
    return try body()
  }

  private func exchange(_ average: Storage) {
    let (weights, average) = (replica.variables.weights, average.floats)
    for i in weights.indices { swap(&weights[i], &average[i]) }
    replica.variablesChanged()
  }

  /// What replicas must have in common beside the variables, by name; nothing where each rank has a slice.
  var common: [(name: String, bytes: UnsafeRawBufferPointer)] {
    guard !shards.isSharded else { return [] }
    let states = zip(names, update.states).map { ($0 + "/", $1) } + (averageState.map { [("average/", $0)] } ?? [])
    let variables = replica.variables
    return states.flatMap { prefix, state in
      variables.parameters.map { index in
        let floats = UnsafeMutableBufferPointer(rebasing: state.floats[variables.range(index)])
        return (prefix + variables.list[index].name, UnsafeRawBufferPointer(floats))
      }
    }
  }

  /// The moments' names in files.
  private var names: [String] { options.optimizer == .adamw ? ["first", "second"] : ["momentum"] }

  /// A checkpoint's files on rank 0, from copies that no step changes any more; nil on others. Collective where sharded.
  func files() throws -> [(name: String, items: [Safetensors.Item])]? {
    let variables = replica.variables
    let moments = try update.states.map { try shards.copyOnFirst($0) }
    let average = try averageState.map { try shards.copyOnFirst($0) }
    guard let model = try shards.communicator.onFirst({ try variables.copy() }) ?? nil else { return nil }
    let optimizer = zip(names, moments).flatMap { name, copy in
      copy.map { variables.items(parametersOnly: true, prefix: name + "/", parameters: $0, states: model) } ?? []
    }
    var files = [
      ("model.safetensors", variables.items(parameters: model, states: model)), ("optimizer.safetensors", optimizer),
    ]
    if let average = average.flatMap({ $0 }) {
      files.append(("ema.safetensors", variables.items(parameters: average, states: model)))
    }
    return files
  }

  /// Takes up where a checkpoint left off, which rank 0 has. Collective.
  func restore(_ checkpoint: Checkpoint?, steps: Int) throws {
    self.steps = steps
    let files = try shards.communicator.together {
      try checkpoint.map { checkpoint in
        (
          moments: try checkpoint.requiredFile("optimizer.safetensors"),
          average: averageState == nil ? nil : try checkpoint.requiredFile("ema.safetensors")
        )
      }
    }
    for (name, state) in zip(names, update.states) { try restore(state, files?.moments, prefix: name + "/") }
    if let averageState { try restore(averageState, files?.average, prefix: "") }
  }

  private func restore(_ state: Storage, _ file: Safetensors?, prefix: String) throws {
    let variables = replica.variables
    let whole = try shards.communicator.together {
      let whole = try Storage(byteCount: state.byteCount)
      guard let file else { return whole }
      for index in variables.parameters {
        let variable = variables.list[index]
        let tensor = try file.tensor(prefix + variable.name)
        guard tensor.shape == variable.fileShape else {
          throw Failure(
            .data,
            "\(file.path): tensor \(prefix)\(variable.name) has shape \(tensor.shape), expected \(variable.fileShape)")
        }
        let target = UnsafeMutableBufferPointer(rebasing: whole.floats[variables.range(index)])
        _ = target.update(fromContentsOf: Variables.inward(variable, tensor))
      }
      return whole
    }
    try shards.communicator.broadcast(
      UnsafeMutableRawBufferPointer(start: whole.base, count: whole.byteCount), root: 0)
    shards.keep(state, from: whole.floats)
  }
}
