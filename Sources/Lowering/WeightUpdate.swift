import CKernels
import Operations

/// Passes over all trained weights at once, shared out among a team's threads: what an optimizer needs of the machine.
public final class WeightUpdate: TeamWork, @unchecked Sendable {
  // Unchecked: threads work on disjoint pieces; the settings change between runs only.

  /// What is done to each weight.
  public enum Rule: Sendable {
    /// Momentum.
    case sgd(momentum: Float)
    /// Decay rates, epsilon and the bias corrections of this step.
    case adamw(beta1: Float, beta2: Float, epsilon: Float, first: Float, second: Float)
    /// An average moves by a share towards the weight; state 0 holds it.
    case average(share: Float)
    /// Only the gradients' sums of squares are taken.
    case measure
  }

  /// How the weights of one tensor are treated.
  public struct Treatment: Sendable {
    /// Whether weight decay applies.
    public var decays: Bool
    /// What the learning rate is multiplied by.
    public var rate: Float = 1
    /// Whether the weights stay as they are in steps that are `frozen`. Their moments follow the gradients all the same, so that
    /// they begin to move with moments that fit.
    public var isFreezable = false

    /// That of a variable of which nothing else is known.
    public init(_ variable: Variable) { decays = variable.role == .parameter(decays: true) }
  }

  /// Weights of one tensor that lie in one chunk of the array of weights.
  private struct Piece {
    let range: Range<Int>
    let treatment: Treatment
  }

  private let weights, gradients: UnsafeMutableBufferPointer<Float>
  /// The pieces, in order; those that are not this rank's too.
  private let pieces: [Piece]
  /// The pieces that this rank updates.
  private let own: [Int]
  private let sums: UnsafeMutableBufferPointer<Double>
  /// Memory like the parameters', one storage a moment: momentum, second moment or average.
  public let states: [Storage]
  private var rule = Rule.measure
  private var rate: Float = 0
  private var decay: Float = 0
  private var scale: Float = 1
  private var isFrozen = false
  private var current: ArraySlice<Int>

  /// Passes over `variables` with `states` values kept per weight.
  /// - Parameters:
  ///   - treatment: how each variable is treated.
  ///   - chunk: weights are cut at multiples of so many, and so is the norm's sum.
  ///   - slices: the ranges of the array of weights that this rank updates, in order and cut at such multiples; nil: all.
  public init(
    _ variables: Variables, states: Int, treatment: (Variable) -> Treatment = Treatment.init, chunk: Int = 4096,
    slices: [Range<Int>]? = nil
  ) throws {
    (weights, gradients) = (variables.weights, variables.gradients)
    pieces = variables.gradientRanges.flatMap { index, range in
      let treatment = treatment(variables.list[index])
      return (range.lowerBound / chunk...(range.upperBound - 1) / chunk).map { number in
        Piece(range: range.clamped(to: number * chunk..<(number + 1) * chunk), treatment: treatment)
      }
    }
    let pieces = pieces
    own =
      slices.map { slices in
        pieces.indices.filter { piece in slices.contains { $0.contains(pieces[piece].range.lowerBound) } }
      } ?? Array(pieces.indices)
    current = own[...]
    self.states = try (0..<states).map { _ in
      try Storage(byteCount: Storage.aligned(variables.parameterCount * 4))
    }
    sums = .allocate(capacity: pieces.count)
    sums.initialize(repeating: 0)
  }

  deinit { sums.deallocate() }

  /// Runs `rule` over this rank's weights, or those within `range`, which begins and ends between tensors; gradients count
  /// `scale` times; `frozen`: those that can be frozen stay.
  public func apply(
    _ rule: Rule, within range: Range<Int>? = nil, rate: Float = 0, decay: Float = 0, scale: Float = 1,
    frozen: Bool = false, team: ThreadTeam
  ) {
    (self.rule, self.rate, self.decay, self.scale, isFrozen) = (rule, rate, decay, scale, frozen)
    current = range.map { own[first(from: $0.lowerBound)..<first(from: $0.upperBound)] } ?? own[...]
    team.run(self)
  }

  /// The first of this rank's pieces that begins at `element` or after it.
  private func first(from element: Int) -> Int {
    var range = own.startIndex..<own.endIndex
    while !range.isEmpty {
      let middle = (range.lowerBound + range.upperBound) / 2
      range =
        pieces[own[middle]].range.lowerBound < element
        ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return range.lowerBound
  }

  /// The Euclidean norm of the gradients, whose squares are summed by pieces, in double precision and in order. `complete` adds
  /// other ranks' sums to this rank's, each of which is 0 where it is not its rank's. `frozen`: of weights that move, unless another
  /// gradient is not finite, which no norm may hide.
  public func gradientNorm(
    frozen: Bool = false, team: ThreadTeam, complete: (UnsafeMutableBufferPointer<Double>) throws -> Void
  ) rethrows -> Double {
    if own.count < pieces.count { sums.update(repeating: 0) }
    apply(.measure, team: team)
    try complete(sums)
    let all = sums.reduce(0, +).squareRoot()
    guard frozen, all.isFinite else { return all }
    return zip(pieces, sums).reduce(0) { $1.0.treatment.isFreezable ? $0 : $0 + $1.1 }.squareRoot()
  }

  /// One thread's pieces.
  public func run(thread: Int, team: ThreadTeam) {
    let count = current.count
    let begin = current.startIndex
    for index in current[begin + count * thread / team.count..<begin + count * (thread + 1) / team.count] {
      update(index)
    }
  }

  private func update(_ index: Int) {
    let (range, treatment) = (pieces[index].range, pieces[index].treatment)
    let decay = treatment.decays ? decay : 0
    let rate = isFrozen && treatment.isFreezable ? 0 : rate * treatment.rate
    guard let weight = weights.baseAddress, let gradient = gradients.baseAddress else { return }
    let (w, g, count) = (weight + range.lowerBound, gradient + range.lowerBound, range.count)
    func state(_ number: Int) -> UnsafeMutablePointer<Float> {
      states[number].base.assumingMemoryBound(to: Float.self) + range.lowerBound
    }
    switch rule {
    case .sgd(let momentum): dms_sgd(w, g, state(0), count, rate, momentum, decay, scale)
    case .adamw(let beta1, let beta2, let epsilon, let first, let second):
      dms_adamw(w, g, state(0), state(1), count, rate, beta1, beta2, epsilon, decay, scale, first, second)
    case .average(let share): dms_average(state(0), w, count, share)
    case .measure: sums[index] = dms_sum_squares(g, count)
    }
  }

  /// State `number` of parameter `index`.
  public func state(_ number: Int, of index: Int, in variables: Variables) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: states[number].floats[variables.range(index)])
  }
}
