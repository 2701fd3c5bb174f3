@_exported import Communication
import Foundation
@_exported import Fundus
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

  /// Folder of the data set.
  public var data = ""
  /// The table, where the folder does not tell.
  public var annotations: String?
  /// Folder of images, where the data folder holds several.
  public var images: String?
  /// Whether rows without images are an error.
  public var strict = false
  /// Folder of the run.
  public var output = ""
  /// Share of patients that validate.
  public var validation = 0.2
  /// CSV of ID,split instead of a share.
  public var split: String?

  /// ResNet depth; nil: `blocks` say.
  public var depth: Int? = 18
  /// Kind of block.
  public var block = Configuration.Block.bottleneck
  /// Blocks a stage; empty: `depth` says.
  public var blocks: [Int] = []
  /// The trunk's first channel count.
  public var stem = 64
  /// Channels after the trunk.
  public var width = 256
  /// Length of an eye's embedding.
  public var embedding = 128
  /// Attention heads.
  public var heads = 4
  /// Grid sizes of OSIM's pools.
  public var bins = [1, 2, 3, 6]
  /// Probability with which a feature is dropped.
  public var dropout: Float = 0.2
  /// Modules left out.
  public var without: [Configuration.Module] = []
  /// Rows of an image in pixels.
  public var height = 224
  /// Columns of an image in pixels.
  public var imageWidth = 224
  /// Trunk weights to start from.
  public var pretrained: String?

  /// Pairs of a step, over all ranks.
  public var batch = 16
  /// Parts in which a rank works through its share.
  public var accumulate = 1
  /// Epochs.
  public var epochs = 10
  /// Seed of everything random.
  public var seed: UInt64 = 0
  /// Threads of a rank.
  public var threads = 1
  /// Threads that decode photographs.
  public var workers = 1
  /// Whether most block sums are rebuilt in the backward pass instead of being kept.
  public var recompute = false
  /// Whether the last, short step of an epoch is left out.
  public var dropLast = false
  /// Probability of mirroring a pair.
  public var flip: Float = 0.5

  /// How weights move.
  public var optimizer = OptimizerKind.adamw
  /// Highest learning rate.
  public var learningRate: Float = 3e-4
  /// Momentum of SGD.
  public var momentum: Float = 0.9
  /// Weight decay.
  public var weightDecay: Float = 0.05
  /// Whether norms and biases decay too.
  public var decayAll = false
  /// How the learning rate falls after warmup.
  public var schedule = ScheduleKind.cosine
  /// Steps of linear warmup.
  public var warmup = 100
  /// Largest norm of the gradients; 0: any.
  public var clip: Float = 5
  /// Label smoothing.
  public var smoothing: Float = 0
  /// Weight of each label's positives; empty: 1.
  public var positive: [Float] = []
  /// Decay of the weights' moving average; 0: none.
  public var ema: Float = 0

  /// Steps between checkpoints; 0: one an epoch.
  public var checkpointEvery = 0
  /// Checkpoints kept beside the best.
  public var keep = 3
  /// What a loss or gradient that is not finite does.
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
    try require(
      (64...4096).contains(height) && (64...4096).contains(imageWidth),
      "--size is \(height)x\(imageWidth), expected 64 to 4096")
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
