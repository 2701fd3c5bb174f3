import Foundation
import Tensors

/// Random changes of a pair in training: functions of the seed and the pair's place in the run alone, whichever rank and thread
/// makes them.
public struct Augmentation: Sendable {
  /// What may change, and how far.
  public struct Settings: Sendable, Equatable {
    /// The probability that a pair is mirrored: both pictures flip and the eyes change places, labels with them.
    public var flip: Float = 0.5
    /// The probability that both pictures are turned upside down, by a flip.
    public var verticalFlip: Float = 0
    /// The largest angle by which a picture is rotated, in degrees, either way.
    public var rotation: Float = 0
    /// How large a picture becomes: beyond 1 it is cropped, below it has a black border.
    public var zoom: ClosedRange<Float> = 1...1
    /// The largest shift in each direction, as a part of the side.
    public var shift: Float = 0
    /// The largest relative change of brightness, contrast and saturation.
    public var brightness: Float = 0
    /// See `brightness`.
    public var contrast: Float = 0
    /// See `brightness`.
    public var saturation: Float = 0
    /// The largest change of hue, as a part of the circle of colours.
    public var hue: Float = 0
    /// The probability that a rectangle of a picture is erased.
    public var erasing: Float = 0
    /// The parameter of the Beta distribution of shares in which two pairs are mixed; 0: never.
    public var mixup: Float = 0

    /// Nothing but mirroring.
    public init() {}
  }

  /// What happens at random.
  public let settings: Settings
  private let partners: [Int]
  private let random: CounterRandom

  /// Augmentation of a run's seed.
  ///
  /// - Parameter partners: places in the data set of the patients that others may be mixed with.
  public init(seed: UInt64, _ settings: Settings = Settings(), partners: [Int] = []) {
    random = CounterRandom(seed: seed)
    (self.settings, self.partners) = (settings, partners)
  }

  /// What happens to the pair at this place.
  public func change(_ example: Example) -> PairChange {
    var stream = random.stream(.augmentation, example.epoch, example.position)
    var change = PairChange(settings, &stream)
    if settings.mixup > 0, !partners.isEmpty {
      var stream = random.stream(.mixup, example.epoch, example.position)
      let partner = partners[stream.below(partners.count)]
      change.mixed = PairChange.Mix(
        partner: partner, share: Mixup.share(settings.mixup, &stream), change: .init(settings, &stream))
    }
    return change
  }
}

/// What happens to a pair.
public struct PairChange: Sendable, Equatable {
  /// Another pair that is mixed in.
  struct Mix: Sendable, Equatable {
    /// Its place in the data set.
    let partner: Int
    /// The share of the first pair.
    let share: Float
    private let changes: [PairChange]

    init(partner: Int, share: Float, change: PairChange) {
      (self.partner, self.share, changes) = (partner, share, [change])
    }

    /// What happens to it before.
    var change: PairChange { changes[0] }
  }

  /// Whether the eyes change places.
  public let exchangesEyes: Bool
  /// What happens to each picture beyond that, in the order in which they are handed over.
  let pictures: [PictureChange]
  var mixed: Mix?

  /// Nothing happens.
  public static let none = PairChange()
  /// Left and right are exchanged, in the pictures and between them: what a mirror shows.
  public static let mirrored = PairChange(exchangesEyes: true, Placement(isMirrored: true))
  /// Both pictures stand on their heads, by a flip.
  public static let upsideDown = PairChange(Placement(isUpsideDown: true))
  /// Both of these: the pair turned by half a turn.
  public static let turned = PairChange(exchangesEyes: true, Placement(isMirrored: true, isUpsideDown: true))
  /// The eyes change places, their pictures as they are, which no pair of eyes looks like.
  public static let swapped = PairChange(exchangesEyes: true)

  /// The same placement of both pictures.
  private init(exchangesEyes: Bool = false, _ placement: Placement = Placement()) {
    let picture = PictureChange(placement: placement)
    self.init(exchangesEyes: exchangesEyes, pictures: [picture, picture])
  }

  private init(exchangesEyes: Bool, pictures: [PictureChange]) {
    (self.exchangesEyes, self.pictures) = (exchangesEyes, pictures)
  }

  /// Draws what happens. Colours and flips are the pair's, for both pictures come from one camera; the rest is a picture's own. As
  /// many numbers are drawn whatever the settings, so that one more of them leaves the others' results as they were.
  fileprivate init(_ settings: Augmentation.Settings, _ stream: inout CounterRandom.Stream) {
    func around(_ width: Float) -> Float { stream.uniform(-width, width) }
    let isMirrored = stream.uniform() < settings.flip
    let isUpsideDown = stream.uniform() < settings.verticalFlip
    let colour = ColourChange(
      brightness: 1 + around(settings.brightness), contrast: 1 + around(settings.contrast),
      saturation: 1 + around(settings.saturation), hue: around(settings.hue))
    let pictures = (0..<2).map { _ in
      let angle = around(settings.rotation)
      let (low, high) = (log(settings.zoom.lowerBound), log(settings.zoom.upperBound))
      let zoom = exp(stream.uniform(low, high))
      let (right, down) = (around(settings.shift), around(settings.shift))
      let isErased = stream.uniform() < settings.erasing
      let erasure = Erasure(&stream)
      return PictureChange(
        placement: Placement(
          isMirrored: isMirrored, isUpsideDown: isUpsideDown, degrees: angle, zoom: zoom, right: right, down: down),
        colour: colour, erasure: isErased ? erasure : nil)
    }
    self.init(exchangesEyes: isMirrored, pictures: pictures)
  }
}
