import Tensors

/// A pair at its place in the run: everything random about it follows from (seed, epoch, position).
public struct Example: Sendable, Equatable {
  /// The patient's place in the data set.
  public let patient: Int
  /// The epoch, from 0.
  public let epoch: Int
  /// The place in the epoch's order.
  public let position: Int

  /// An example.
  public init(patient: Int, epoch: Int, position: Int) {
    (self.patient, self.epoch, self.position) = (patient, epoch, position)
  }
}

/// The order in which patients are trained on: a new permutation every epoch, cut into steps of `batch` pairs, of which each
/// rank takes its share.
public struct Sampler: Sendable {
  /// Places of the training patients in the data set.
  public let patients: [Int]
  /// Pairs of a step, over all ranks.
  public let batch: Int
  /// Whether the last, short step of an epoch is left out.
  public let dropLast: Bool
  private let random: CounterRandom

  /// A sampler; the order of an epoch is a function of `seed` and the epoch alone.
  public init(patients: [Int], batch: Int, seed: UInt64, dropLast: Bool = false) {
    (self.patients, self.batch, self.dropLast) = (patients, batch, dropLast)
    random = CounterRandom(seed: seed)
  }

  /// Steps of an epoch.
  public var stepsPerEpoch: Int { dropLast ? patients.count / batch : (patients.count + batch - 1) / batch }

  /// The patients of an epoch in order.
  public func order(epoch: Int) -> [Int] {
    var stream = random.stream(.shuffle, epoch)
    return stream.shuffled(patients)
  }

  /// The positions of step `step` of an epoch.
  public func positions(step: Int) -> Range<Int> { step * batch..<min(patients.count, (step + 1) * batch) }

  /// The part of `positions` that rank `rank` of `ranks` takes.
  public static func share(_ positions: Range<Int>, rank: Int, ranks: Int) -> Range<Int> {
    let count = positions.count
    return positions.lowerBound + count * rank / ranks..<positions.lowerBound + count * (rank + 1) / ranks
  }
}
