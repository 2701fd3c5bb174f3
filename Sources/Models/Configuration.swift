import Foundation
@_exported import Operations

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

  /// Refuses shapes that cannot be built.
  public func validate() throws {
    func require(_ holds: Bool, _ message: String) throws { if !holds { throw Failure(.usage, message) } }
    try require(blocks.count == 4 && blocks.allSatisfy { $0 > 0 }, "blocks \(blocks) are not four positive numbers")
    try require(stem > 0 && labels > 0 && embedding > 0, "stem, labels and embedding must be positive")
    try require(width > 0 && heads > 0 && width % heads == 0, "width \(width) is not a multiple of \(heads) heads")
    try require(width >= 4 && !bins.isEmpty && bins.allSatisfy { $0 > 0 }, "bins \(bins) must be positive")
    try require(width / bins.count > 0, "width \(width) is too small for \(bins.count) pools")
    try require(dropout >= 0 && dropout < 1, "dropout \(dropout) is not in 0 ..< 1")
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

  /// The defaults.
  public init() {}
}
