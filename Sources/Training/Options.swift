@_exported import Communication
@_exported import Fundus
import Foundation
@_exported import Metrics
@_exported import Models

/// Everything a training run can be told. Names are those of the command line and of `config.yaml`.
public struct Options: Codable, Sendable, Equatable {
  /// How weights move.
  public enum OptimizerKind: String, Codable, Sendable, CaseIterable {
    case sgd
    case adamw
  }

  /// How the learning rate falls after warmup.
  public enum ScheduleKind: String, Codable, Sendable, CaseIterable {
    case cosine
    case constant
  }

  /// What a loss or gradient that is not finite does.
  public enum NonfiniteRule: String, Codable, Sendable, CaseIterable {
    case stop
    case skip
  }

  public var data = ""
  public var annotations: String?
  public var images: String?
  public var strict = false
  public var output = ""
  public var validation = 0.2
  public var split: String?

  public var depth: Int? = 18
  public var block = Configuration.Block.bottleneck
  public var blocks: [Int] = []
  public var stem = 64
  public var width = 256
  public var embedding = 128
  public var heads = 4
  public var bins = [1, 2, 3, 6]
  public var dropout: Float = 0.2
  public var without: [Configuration.Module] = []
  public var height = 224
  public var imageWidth = 224
  public var pretrained: String?

  public var batch = 16
  public var accumulate = 1
  public var epochs = 10
  public var seed: UInt64 = 0
  public var threads = 1
  public var workers = 1
  public var dropLast = false
  public var flip: Float = 0.5

  public var optimizer = OptimizerKind.adamw
  public var learningRate: Float = 3e-4
  public var momentum: Float = 0.9
  public var weightDecay: Float = 0.05
  public var decayAll = false
  public var schedule = ScheduleKind.cosine
  public var warmup = 100
  public var clip: Float = 5
  public var smoothing: Float = 0
  public var positive: [Float] = []
  public var ema: Float = 0

  public var checkpointEvery = 0
  public var keep = 3
  public var onNonfinite = NonfiniteRule.stop

  /// The defaults.
  public init() {}

  /// The network these options describe.
  public func network(labels: Int) throws -> DMSNet {
    var configuration: Configuration
    if blocks.isEmpty {
      configuration = try Configuration(depth: depth ?? 18)
    } else {
      configuration = Configuration()
      (configuration.block, configuration.blocks) = (block, blocks)
    }
    configuration.stem = stem
    configuration.width = width
    configuration.embedding = embedding
    configuration.heads = heads
    configuration.bins = bins
    configuration.dropout = dropout
    configuration.without = without
    configuration.labels = labels
    var loss = LossWeights()
    loss.smoothing = smoothing
    loss.positive = positive
    return try DMSNet(configuration, loss: loss)
  }

  /// The data set these options describe.
  public func dataset() throws -> Dataset {
    var source = Dataset.Source(folder: data)
    (source.annotations, source.images, source.isStrict) = (annotations, images, strict)
    return try Dataset(source)
  }

  /// Refuses values that make no sense, each by its name on the command line.
  public func validate() throws {
    func require(_ holds: Bool, _ message: String) throws { if !holds { throw Failure(.usage, message) } }
    try require(!data.isEmpty, "--data DIR is missing")
    try require(!output.isEmpty, "--output DIR is missing")
    try require(batch >= 1, "--batch is \(batch), expected at least 1")
    try require(accumulate >= 1, "--accumulate is \(accumulate), expected at least 1")
    try require(epochs >= 1, "--epochs is \(epochs), expected at least 1")
    try require((1...1024).contains(threads), "--threads is \(threads), expected 1 to 1024")
    try require((1...1024).contains(workers), "--workers is \(workers), expected 1 to 1024")
    try require((64...4096).contains(height) && (64...4096).contains(imageWidth), "--size is \(height)x\(imageWidth), expected 64 to 4096")
    try require(validation >= 0 && validation < 1, "--validation is \(validation), expected 0 up to below 1")
    try require(learningRate > 0 && learningRate.isFinite, "--learning-rate is \(learningRate), expected above 0")
    try require(momentum >= 0 && momentum < 1, "--momentum is \(momentum), expected 0 up to below 1")
    try require(weightDecay >= 0 && weightDecay.isFinite, "--weight-decay is \(weightDecay), expected 0 or more")
    try require(warmup >= 0, "--warmup is \(warmup), expected 0 or more")
    try require(clip >= 0, "--clip is \(clip), expected 0 (off) or more")
    try require(smoothing >= 0 && smoothing < 1, "--smoothing is \(smoothing), expected 0 up to below 1")
    try require(ema >= 0 && ema < 1, "--ema is \(ema), expected 0 (off) up to below 1")
    try require(flip >= 0 && flip <= 1, "--flip is \(flip), expected 0 to 1")
    try require(checkpointEvery >= 0, "--checkpoint-every is \(checkpointEvery), expected 0 (every epoch) or more")
    try require(keep >= 1, "--keep is \(keep), expected at least 1")
    if depth != nil, blocks.isEmpty { _ = try Configuration(depth: depth ?? 18) }
  }
}
