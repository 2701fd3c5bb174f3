import Foundation
@_exported import Lowering

/// What fixes the network's shape. Coding keys are those of fixtures and checkpoints.
public struct Configuration: Codable, Sendable, Equatable {
  /// The kind of residual block.
  public enum Block: String, Codable, Sendable, CaseIterable {
    case basic
    case bottleneck
    /// Output channels per plane.
    var expansion: Int { self == .basic ? 1 : 4 }
  }

  /// The modules that can be left out.
  public enum Module: String, Codable, Sendable, CaseIterable {
    case osim
    case casfm
    case ccam
    case ciam
  }

  /// The kind of residual block.
  public var block = Block.bottleneck
  /// Blocks a stage, four stages.
  public var blocks = [3, 8, 36, 3]
  /// The trunk's first channel count; 64 in every published depth.
  public var stem = 64
  /// Disease labels.
  public var labels = 8
  /// Channels after the trunk.
  public var width = 256
  /// Grid sizes of OSIM's pools.
  public var bins = [1, 2, 3, 6]
  /// Attention heads.
  public var heads = 4
  /// The length of an eye's embedding.
  public var embedding = 128
  /// The probability with which a feature is dropped in training.
  public var dropout: Float = 0.2
  /// Modules left out.
  public var without: [Module] = []

  /// ResNet-152's shape.
  public init() {}

  /// The published depths.
  public static let depths = [18, 34, 50, 101, 152]

  /// The shape of a published depth.
  public init(depth: Int) throws {
    switch depth {
    case 18: (block, blocks) = (.basic, [2, 2, 2, 2])
    case 34: (block, blocks) = (.basic, [3, 4, 6, 3])
    case 50: (block, blocks) = (.bottleneck, [3, 4, 6, 3])
    case 101: (block, blocks) = (.bottleneck, [3, 4, 23, 3])
    case 152: (block, blocks) = (.bottleneck, [3, 8, 36, 3])
    default: throw Failure(.usage, "depth \(depth) is not one of 18, 34, 50, 101, 152")
    }
  }

  /// The published depth of this shape, if it has one.
  public var depth: Int? {
    Self.depths.first { depth in
      (try? Configuration(depth: depth)).map { $0.block == block && $0.blocks == blocks } ?? false
    }
  }

  /// Channels of the trunk's last map.
  public var trunkChannels: Int { stem * 8 * block.expansion }

  /// Refuses shapes that cannot be built, and extents beyond any use: within these limits no product of extents leaves the range
  /// of integers.
  public func validate() throws {
    func require(_ holds: Bool, _ message: @autoclosure () -> String) throws {
      if !holds { throw Failure(.usage, message()) }
    }
    func limit(_ name: String, _ value: Int, _ limits: ClosedRange<Int>) throws {
      try require(limits.contains(value), "\(name) is \(value), expected \(limits.lowerBound) to \(limits.upperBound)")
    }
    try require(blocks.count == 4, "blocks \(blocks.prefix(5)) are not four numbers")
    for count in blocks { try limit("blocks", count, 1...1000) }
    try limit("stem", stem, 1...1024)
    try limit("labels", labels, 1...1000)
    try limit("width", width, 4...16384)
    try limit("embedding", embedding, 1...16384)
    try limit("heads", heads, 1...1024)
    try require(width % heads == 0, "width \(width) is not a multiple of \(heads) heads")
    try require((1...16).contains(bins.count), "bins are \(bins.count) numbers, expected 1 to 16")
    for bin in bins { try limit("bins", bin, 1...64) }
    try require(width >= bins.count, "width \(width) is too small for \(bins.count) pools")
    try require(dropout >= 0 && dropout < 1, "dropout is \(dropout), expected 0 up to below 1")
  }
}

/// The weights of the loss's parts.
public struct LossWeights: Codable, Sendable, Equatable {
  /// Of the eyes' own cross entropy.
  public var eyes: Float = 0.5
  /// Of the contrast between the eyes' embeddings.
  public var contrast: Float = 0.1
  /// The cosine up to which different eyes cost nothing.
  public var margin: Float = 0.5
  /// Label smoothing.
  public var smoothing: Float = 0
  /// The weight of each label's positives; empty: 1.
  public var positive: [Float] = []
  /// How labels' cross entropies count less where they are easy; nil: all count the same.
  public var focus: Focus?

  /// The defaults.
  public init() {}

  /// Refuses weights that no loss can have.
  public func validate() throws {
    for (name, value) in [("eyes", eyes), ("contrast", contrast), ("margin", margin)] where !(abs(value) <= 1e6) {
      throw Failure(.usage, "the loss's weight \(name) is \(value), expected at most 1e6")
    }
    guard smoothing >= 0, smoothing < 1 else {
      throw Failure(.usage, "smoothing is \(smoothing), expected 0 up to below 1")
    }
    if let focus {
      for value in [focus.positive, focus.negative] where !(value >= 0 && value <= 16) {
        throw Failure(.usage, "the loss's exponent is \(value), expected 0 to 16")
      }
      guard focus.shift >= 0, focus.shift < 1 else {
        throw Failure(.usage, "the loss's probability shift is \(focus.shift), expected 0 up to below 1")
      }
    }
    for value in positive where !(value >= 0 && value <= 1e6) {
      throw Failure(.usage, "positive is \(value), expected 0 to 1e6")
    }
  }
}
