import Tensors

/// Gradients cut into pieces that travel one by one, in the order in which the backward pass makes them final, and each bucket cut
/// into one slice a rank, which that rank reduces.
public struct Buckets: Sendable {
  /// Slices begin at multiples of so many floats of the whole array, so that whatever is done by such chunks falls to one rank.
  public static let chunk = 4096

  /// The ranges of the gradient array, in order, covering it.
  public let ranges: [Range<Int>]

  /// Cuts `count` floats at the starts of tensors into buckets of at most `capacity` bytes where tensors allow it. The last two, whose
  /// way nothing hides, hold a quarter and a sixteenth at most.
  public init(count: Int, tensors: [Range<Int>], capacity: Int) {
    var ranges: [Range<Int>] = []
    var end = count
    var rooms = [capacity / 16, capacity / 4][...]
    var start = count
    for tensor in tensors.reversed() {
      if end - tensor.lowerBound > (rooms.first ?? capacity) / 4, start < end {
        ranges.append(start..<end)
        end = start
        rooms = rooms.dropFirst()
      }
      start = tensor.lowerBound
    }
    if end > 0 { ranges.append(0..<end) }
    self.ranges = ranges.reversed()
  }

  /// The slice of `bucket` that each of `ranks` ranks reduces, in the order of ranks; some may be empty.
  public static func slices(_ bucket: Range<Int>, ranks: Int) -> [Range<Int>] {
    let bounds = (0...ranks).map { rank in
      switch rank {
      case 0: bucket.lowerBound
      case ranks: bucket.upperBound
      default: max(bucket.lowerBound, (bucket.lowerBound + bucket.count * rank / ranks) / chunk * chunk)
      }
    }
    return (0..<ranks).map { bounds[$0]..<bounds[$0 + 1] }
  }
}
