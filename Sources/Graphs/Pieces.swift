import Tensors

/// A channels-last value cut into blocks of rows and channels, by shape alone; piece i is block (i / channels, i % channels).
///
/// An operation that makes its output piece by piece lets its consumer work on each piece while it is still in a core's
/// own cache: the schedule joins the two.
public struct Pieces: Sendable, Hashable {
  /// Consecutive ranges of rows.
  public let rows: [Range<Int>]
  /// Consecutive ranges of channels.
  public let channels: [Range<Int>]

  /// Pieces of these rows and channels.
  public init(rows: [Range<Int>], channels: [Range<Int>]) {
    self.rows = rows
    self.channels = channels
  }

  /// `count` rows and `channels` channels in nearly equal pieces.
  public init(rows count: Int, in rowPieces: Int, channels: Int, in channelPieces: Int = 1, unit: Int = 1) {
    self.init(
      rows: Self.ranges(count, rowPieces, unit: 1), channels: Self.ranges(channels, channelPieces, unit: unit))
  }

  /// A value's rows in pieces of about `elements`, but no more than `most` of them.
  public init(_ shape: Shape, elements: Int, most: Int = 64) {
    let wanted = (shape.count + elements - 1) / elements
    self.init(rows: shape.rows, in: max(1, min(wanted, most)), channels: shape.channels)
  }

  /// How many pieces there are.
  public var count: Int { rows.count * channels.count }

  /// The rows and channels of piece `index`.
  public subscript(_ index: Int) -> (rows: Range<Int>, channels: Range<Int>) {
    (rows[index / channels.count], channels[index % channels.count])
  }

  private static func ranges(_ count: Int, _ pieces: Int, unit: Int) -> [Range<Int>] {
    let units = (count + unit - 1) / unit
    let pieces = max(1, min(pieces, units))
    return (0..<pieces).map { units * $0 / pieces * unit..<min(count, units * ($0 + 1) / pieces * unit) }
  }
}
