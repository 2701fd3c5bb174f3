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

  /// A picture of RGB rows, left and right exchanged.
  static func mirrored(_ pixels: [UInt8], width: Int) -> [UInt8] {
    var result = pixels
    for row in 0..<pixels.count / (width * 3) {
      for x in 0..<width {
        for k in 0..<3 { result[(row * width + x) * 3 + k] = pixels[(row * width + width - 1 - x) * 3 + k] }
      }
    }
    return result
  }
}
