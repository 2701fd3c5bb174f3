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

/// The order in which patients are trained on, drawn anew every epoch, cut into steps of `batch` pairs, and these into
/// micro-batches, of which each rank takes a contiguous share.
public struct Sampler: Sendable {
  /// Who comes in an epoch.
  public enum Kind: String, CaseIterable, Sendable {
    /// Everyone once.
    case shuffle
    /// As many as there are, each of a label that is drawn first; patients without labels count as one more.
    case balanced
  }

  /// Places of the training patients in the data set.
  public let patients: [Int]
  /// Pairs of a step, over all ranks.
  public let batch: Int
  /// Pairs of a micro-batch; a step's last one may be shorter.
  public let microBatch: Int
  /// Whether the last, short step of an epoch is left out.
  public let dropLast: Bool
  private let random: CounterRandom
  /// Patients of each label that has some; empty: everyone comes once.
  private let groups: [[Int]]

  /// A sampler of those who train; `kind` looks at their labels in `dataset`.
  public init(
    _ kind: Kind, _ dataset: Dataset, patients: [Int], batch: Int, microBatch: Int, seed: UInt64,
    dropLast: Bool = false
  ) {
    func those(_ matches: ([UInt8]) -> Bool) -> [Int] { patients.filter { matches(dataset.patients[$0].labels) } }
    let all = dataset.labels.indices.map { label in those { $0[label] == 1 } } + [those { !$0.contains(1) }]
    self.init(
      patients: patients, batch: batch, microBatch: microBatch, seed: seed, dropLast: dropLast,
      groups: kind == .balanced ? all.filter { !$0.isEmpty } : [])
  }

  /// A sampler; the order of an epoch is a function of `seed` and the epoch alone.
  public init(patients: [Int], batch: Int, microBatch: Int, seed: UInt64, dropLast: Bool = false) {
    self.init(patients: patients, batch: batch, microBatch: microBatch, seed: seed, dropLast: dropLast, groups: [])
  }

  private init(
    patients: [Int], batch: Int, microBatch: Int, seed: UInt64, dropLast: Bool, groups: [[Int]]
  ) {
    self.groups = groups
    (self.patients, self.batch, self.microBatch, self.dropLast) = (patients, batch, microBatch, dropLast)
    random = CounterRandom(seed: seed)
  }

  /// Steps of an epoch.
  public var stepsPerEpoch: Int { dropLast ? patients.count / batch : (patients.count + batch - 1) / batch }

  /// The patients of an epoch in order.
  public func order(epoch: Int) -> [Int] {
    var stream = random.stream(.shuffle, epoch)
    guard !groups.isEmpty else { return stream.shuffled(patients) }
    return patients.map { _ in
      let group = groups[stream.below(groups.count)]
      return group[stream.below(group.count)]
    }
  }

  /// The positions of step `step` of an epoch.
  public func positions(step: Int) -> Range<Int> { step * batch..<min(patients.count, (step + 1) * batch) }

  /// The positions of each micro-batch of step `step` of an epoch.
  public func microBatches(step: Int) -> [Range<Int>] {
    let positions = positions(step: step)
    return stride(from: positions.lowerBound, to: positions.upperBound, by: microBatch).map {
      $0..<min($0 + microBatch, positions.upperBound)
    }
  }

  /// Which of `count` micro-batches each of `ranks` ranks takes, in the order of ranks; with more ranks than micro-batches some
  /// take none.
  public static func shares(_ count: Int, ranks: Int) -> [Range<Int>] {
    (0..<ranks).map { count * $0 / ranks..<count * ($0 + 1) / ranks }
  }
}
