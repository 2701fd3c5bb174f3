import Tensors

/// Random changes of a pair in training: functions of the pair's place in the run alone.
public struct Augmentation: Sendable {
  /// The probability that a pair is mirrored: both pictures flip and the eyes change places, labels with them.
  public var flip: Float = 0.5
  private let random: CounterRandom

  /// Augmentation of a run's seed.
  public init(seed: UInt64, flip: Float = 0.5) {
    random = CounterRandom(seed: seed)
    self.flip = flip
  }

  /// Whether the pair at this place is mirrored.
  public func mirrors(_ example: Example) -> Bool {
    var stream = random.stream(.augmentation, example.epoch, example.position)
    return stream.uniform() < flip
  }
}
