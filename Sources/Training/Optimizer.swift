import Foundation

/// SGD with momentum or AdamW, clipping by the global norm, and an exponential moving average of the weights.
final class Optimizer {
  /// AdamW's decay rates and epsilon, PyTorch's defaults.
  private static let (beta1, beta2, epsilon): (Float, Float, Float) = (0.9, 0.999, 1e-8)

  private let options: Options
  private let replica: Replica
  private let update: WeightUpdate
  private let average: WeightUpdate?
  /// Steps taken, for AdamW's bias corrections and the average's start.
  private(set) var steps = 0

  init(_ options: Options, _ replica: Replica) throws {
    self.options = options
    self.replica = replica
    update = try WeightUpdate(
      replica.variables, states: options.optimizer == .adamw ? 2 : 1, decaysAll: options.decayAll)
    average = options.ema > 0 ? try WeightUpdate(replica.variables, states: 1, decaysAll: false) : nil
    startAverage()
  }

  /// The average starts as the weights.
  func startAverage() {
    for index in replica.variables.parameters {
      _ = averaged(index)?.update(fromContentsOf: replica.variables.values(index))
    }
  }

  /// The Euclidean norm of the gradients.
  func gradientNorm() -> Double { update.gradientNorm(team: replica.team) }

  /// Moves the weights along the gradients, whose norm is `norm`.
  func step(rate: Float, norm: Double) {
    steps += 1
    let scale = options.clip > 0 && norm > Double(options.clip) ? Float(Double(options.clip) / (norm + 1e-6)) : 1
    let rule: WeightUpdate.Rule
    switch options.optimizer {
    case .sgd: rule = .sgd(momentum: options.momentum)
    case .adamw:
      rule = .adamw(
        beta1: Self.beta1, beta2: Self.beta2, epsilon: Self.epsilon,
        first: Float(1 - pow(Double(Self.beta1), Double(steps))),
        second: Float(1 - pow(Double(Self.beta2), Double(steps))))
    }
    update.apply(rule, rate: rate, decay: options.weightDecay, scale: scale, team: replica.team)
    // Early on the average would be mostly the start: it begins as a plain mean.
    let keep = min(options.ema, Float(steps) / Float(steps + 9))
    average?.apply(.average(share: 1 - keep), team: replica.team)
  }

  /// The averaged weights of parameter `index`, where an average is kept.
  func averaged(_ index: Int) -> UnsafeMutableBufferPointer<Float>? {
    average?.state(0, of: index, in: replica.variables)
  }

  /// Runs `body` with the averaged weights in the weights' place.
  func withAverage<Result>(_ body: () throws -> Result) rethrows -> Result {
    exchange()
    defer { exchange() }
    return try body()
  }

  private func exchange() {
    for index in replica.variables.parameters {
      guard let average = averaged(index) else { continue }
      let values = replica.variables.values(index)
      for i in values.indices { swap(&values[i], &average[i]) }
    }
    replica.variablesChanged()
  }

  /// The moments' names in files.
  private var names: [String] { options.optimizer == .adamw ? ["first", "second"] : ["momentum"] }

  /// The moments as a file holds them.
  var items: [Safetensors.Item] {
    names.enumerated().flatMap { number, name in
      replica.variables.items(parametersOnly: true, prefix: name + "/") {
        self.update.state(number, of: $0, in: self.replica.variables)
      }
    }
  }

  /// The averaged model: averaged parameters, and states as they are.
  var averageItems: [Safetensors.Item] {
    replica.variables.items { index in self.replica.variables.list[index].isParameter ? self.averaged(index) : nil }
  }

  /// Rank 0's moments and average become everybody's.
  func broadcast(_ communicator: any Communicator, steps: Int) throws {
    self.steps = steps
    for storage in update.states + (average?.states ?? []) {
      try communicator.broadcast(UnsafeMutableRawBufferPointer(start: storage.base, count: storage.byteCount), root: 0)
    }
  }

  /// Takes up where a checkpoint left off.
  func restore(steps: Int, moments: Safetensors, average: Safetensors?) throws {
    self.steps = steps
    let variables = replica.variables
    func fill(_ target: UnsafeMutableBufferPointer<Float>, _ file: Safetensors, _ name: String, _ index: Int) throws {
      let tensor = try file.tensor(name)
      guard tensor.shape == variables.list[index].fileShape else {
        throw Failure(
          .data, "\(file.path): tensor \(name) has shape \(tensor.shape), expected \(variables.list[index].fileShape)")
      }
      _ = target.update(fromContentsOf: Variables.inward(variables.list[index], tensor))
    }
    for index in variables.parameters {
      for (number, name) in names.enumerated() {
        try fill(
          update.state(number, of: index, in: variables), moments, "\(name)/\(variables.list[index].name)", index)
      }
      if let average, let target = averaged(index) { try fill(target, average, variables.list[index].name, index) }
    }
  }
}

/// The learning rate of a step: linear warmup, then a cosine to zero (Loshchilov and Hutter 2017) or a constant.
struct LearningRate {
  let options: Options
  /// Steps of the whole run.
  let steps: Int

  func callAsFunction(_ step: Int) -> Float {
    let rise = options.warmup > 0 ? min(1, Float(step + 1) / Float(options.warmup)) : 1
    guard options.schedule == .cosine else { return options.learningRate * rise }
    let share = Double(min(step, steps)) / Double(max(1, steps))
    return options.learningRate * rise * Float(0.5 * (1 + cos(Double.pi * share)))
  }
}
