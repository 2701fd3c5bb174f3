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

  /// Weights of one tensor that lie in one chunk of the array of weights.
  private struct Piece {
    let range: Range<Int>
    let decays: Bool
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
  private var current: ArraySlice<Int>

  /// Passes over `variables` with `states` values kept per weight.
  /// - Parameters:
  ///   - decaysAll: weight decay spares no norm and no bias.
  ///   - chunk: weights are cut at multiples of so many, and so is the norm's sum.
  ///   - slices: the ranges of the array of weights that this rank updates, in order and cut at such multiples; nil: all.
  public init(
    _ variables: Variables, states: Int, decaysAll: Bool, chunk: Int = 4096, slices: [Range<Int>]? = nil
  ) throws {
    (weights, gradients) = (variables.weights, variables.gradients)
    pieces = variables.gradientRanges.flatMap { index, range in
      let decays = decaysAll || variables.list[index].role == .parameter(decays: true)
      return (range.lowerBound / chunk...(range.upperBound - 1) / chunk).map { number in
        Piece(range: range.clamped(to: number * chunk..<(number + 1) * chunk), decays: decays)
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
  /// `scale` times.
  public func apply(
    _ rule: Rule, within range: Range<Int>? = nil, rate: Float = 0, decay: Float = 0, scale: Float = 1, team: ThreadTeam
  ) {
    (self.rule, self.rate, self.decay, self.scale) = (rule, rate, decay, scale)
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

  /// The Euclidean norm of all gradients, whose squares are summed by pieces, in double precision and in order. `complete` adds
  /// other ranks' sums to this rank's, each of which is 0 where it is not its rank's.
  public func gradientNorm(
    team: ThreadTeam, complete: (UnsafeMutableBufferPointer<Double>) throws -> Void
  ) rethrows -> Double {
    if own.count < pieces.count { sums.update(repeating: 0) }
    apply(.measure, team: team)
    try complete(sums)
    return sums.reduce(0, +).squareRoot()
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
    let (range, decay) = (pieces[index].range, pieces[index].decays ? decay : 0)
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
