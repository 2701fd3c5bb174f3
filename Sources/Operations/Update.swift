import CKernels
import Graphs

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
    /// Only the gradients' sum of squares is taken.
    case measure
  }

  private struct Piece {
    let weight, gradient: UnsafeMutablePointer<Float>
    let offset, count: Int
    let decays: Bool
  }

  private let pieces: [Piece]
  private let sums: UnsafeMutablePointer<Double>
  /// Memory like the parameters', one storage a moment: momentum, second moment or average.
  public let states: [Storage]
  private var rule = Rule.measure
  private var rate: Float = 0
  private var decay: Float = 0
  private var scale: Float = 1

  /// Passes over `variables` with `states` values kept per weight; `decaysAll`: weight decay spares no norm and no bias.
  public init(_ variables: Variables, states: Int, decaysAll: Bool) throws {
    var pieces: [Piece] = []
    let base = variables.bytes.baseAddress
    var end = 0
    for index in variables.parameters {
      let values = variables.values(index)
      guard let weight = values.baseAddress, let base else { continue }
      let offset = (UnsafeMutableRawPointer(weight) - base) / 4
      end = max(end, offset + values.count)
      guard let gradient = variables.gradient(index)?.baseAddress else { continue }
      let decays = decaysAll || variables.list[index].role == .parameter(decays: true)
      for start in stride(from: 0, to: values.count, by: Tuning.Elements.weights) {
        let count = min(Tuning.Elements.weights, values.count - start)
        pieces.append(
          Piece(
            weight: weight + start, gradient: gradient + start, offset: offset + start, count: count, decays: decays))
      }
    }
    self.pieces = pieces
    self.states = try (0..<states).map { _ in try Storage(byteCount: Storage.aligned(end * 4)) }
    sums = .allocate(capacity: max(1, pieces.count))
  }

  deinit { sums.deallocate() }

  /// Runs `rule` over all weights; gradients count `scale` times.
  public func apply(_ rule: Rule, rate: Float = 0, decay: Float = 0, scale: Float = 1, team: ThreadTeam) {
    (self.rule, self.rate, self.decay, self.scale) = (rule, rate, decay, scale)
    team.run(self)
  }

  /// The Euclidean norm of all gradients.
  public func gradientNorm(team: ThreadTeam) -> Double {
    apply(.measure, team: team)
    var sum = 0.0
    for piece in pieces.indices { sum += sums[piece] }
    return sum.squareRoot()
  }

  /// One thread's pieces.
  public func run(thread: Int, team: ThreadTeam) {
    for index in pieces.count * thread / team.count..<pieces.count * (thread + 1) / team.count {
      let piece = pieces[index]
      let decay = piece.decays ? decay : 0
      func state(_ number: Int) -> UnsafeMutablePointer<Float> {
        states[number].base.assumingMemoryBound(to: Float.self) + piece.offset
      }
      switch rule {
      case .sgd(let momentum):
        dms_sgd(piece.weight, piece.gradient, state(0), piece.count, rate, momentum, decay, scale)
      case .adamw(let beta1, let beta2, let epsilon, let first, let second):
        dms_adamw(
          piece.weight, piece.gradient, state(0), state(1), piece.count, rate, beta1, beta2, epsilon, decay, scale,
          first,
          second)
      case .average(let share): dms_average(state(0), piece.weight, piece.count, share)
      case .measure: sums[index] = dms_sum_squares(piece.gradient, piece.count)
      }
    }
  }

  /// State `number` of parameter `index`.
  public func state(_ number: Int, of index: Int, in variables: Variables) -> UnsafeMutableBufferPointer<Float> {
    let values = variables.values(index)
    let offset = variables.address(index) - (variables.bytes.baseAddress ?? variables.address(index))
    return UnsafeMutableBufferPointer(
      start: (states[number].base + offset).assumingMemoryBound(to: Float.self), count: values.count)
  }
}
