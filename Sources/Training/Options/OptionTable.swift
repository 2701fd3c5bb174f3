import Foundation

/// Every option of a training run, in the order of the help: its name, its help, its default, its limit and its rules. To add one,
/// add it here.
package struct OptionTable: Sendable {
  package let data = TrainOption(
    "data", "Folder of the data set: one table (*.xlsx before *.csv) and images below it.",
    "", onResume: .mayChange, mayDifferByRank: true, isPath: true)
  package let annotations = TrainOption(
    "annotations", "The table, where the folder does not tell.",
    String?.none, onResume: .mayChange, mayDifferByRank: true, isPath: true)
  package let sheet = TrainOption(
    "sheet", "The table's sheet, by name or number, where a workbook has several.",
    String?.none, onResume: .mayChange, mayDifferByRank: true)
  package let images = TrainOption(
    "images", "The folder of images, where the data folder holds several.",
    String?.none, onResume: .mayChange, mayDifferByRank: true, isPath: true)
  package let strict = TrainOption(
    "strict", "Rows without images are an error.",
    false, onResume: .mayChange)
  package let onBadImage = TrainOption(
    "on-bad-image", "When photographs cannot be used: stop, or leave their patients out.",
    BadImageRule.stop)
  package let cache = TrainOption(
    "cache", "Where prepared pairs are kept; beside: in .dmsnet in --data; none: photographs are decoded every time.",
    CacheLocation.Choice.besideData, onResume: .mayChange, mayDifferByRank: true)
  package let output = TrainOption(
    "output", "Folder of the run.",
    "", onResume: .mayChange, isPath: true)
  package let validation = TrainOption(
    "validation", "Share of patients that validate.",
    0.2, .below(0..<1))
  package let folds = TrainOption(
    "folds", "Parts of a cross-validation, one of which validates, instead of --validation.",
    0, Limit(text: "0 (off), or 2 to 100") { $0 == 0 || (2...100).contains($0) })
  package let fold = TrainOption(
    "fold", "The part that validates, from 1, with --folds.",
    1, .range(1...100))
  package let split = TrainOption(
    "split", "CSV of ID,split (train or validation) instead of --validation.",
    String?.none, mayDifferByRank: true, isPath: true)

  package let depth = TrainOption(
    "depth", "ResNet depth.",
    18, Limit(text: "18, 34, 50, 101 or 152") { Configuration.depths.contains($0) })
  package let block = TrainOption(
    "block", "Kind of block, with --blocks.",
    Configuration.Block.bottleneck)
  package let blocks = TrainOption(
    "blocks", "Blocks of the four stages, instead of --depth.",
    [Int](),
    Limit(text: "four numbers of 1 to 128") { [0, 4].contains($0.count) && $0.allSatisfy((1...128).contains) })
  package let stem = TrainOption(
    "stem", "The trunk's first channel count.",
    64, .range(1...1024))
  package let width = TrainOption(
    "width", "Channels after the trunk.",
    256, .range(4...16384))
  package let embedding = TrainOption(
    "embedding", "Length of an eye's embedding.",
    128, .range(1...16384))
  package let heads = TrainOption(
    "heads", "Attention heads.",
    4, .range(1...1024))
  package let bins = TrainOption(
    "bins", "Grid sizes of OSIM's pools.",
    [1, 2, 3, 6], .each(.range(1...64), count: 1...16))
  package let dropout = TrainOption(
    "dropout", "Probability with which a feature is dropped.",
    Float(0.2), .below(0..<1))
  package let without = TrainOption(
    "without", "Modules and losses left out: osim, casfm, ccam, ciam, eyes-loss, contrast-loss.",
    [Options.Part](), Limit(text: "each at most once") { Set($0).count == $0.count })
  package let size = TrainOption(
    "size", "Pixels: a side, or HEIGHTxWIDTH.",
    ImageSize(224), Limit(text: "64 to 4096") { [$0.height, $0.width].allSatisfy((64...4096).contains) })
  package let crop = TrainOption(
    "crop", "What is cut out of a photograph: its field of view, or nothing.",
    Preparation.Crop.view)
  package let padding = TrainOption(
    "padding", "How it comes to the input's proportions: with black or ImageNet's mean colour beside it, or stretched.",
    Preparation.Padding.black)
  package let circle = TrainOption(
    "circle", "Part of the disc's radius beyond which pixels are masked.",
    Float(0), .range(0...2, off: "off"))
  package let localMean = TrainOption(
    "local-mean", "How much differences from the local mean are enlarged (Graham's preparation: 4).",
    Float(0), .range(0...16, off: "off"))
  package let clahe = TrainOption(
    "clahe", "Clip limit of adaptive histogram equalisation.",
    Float(0), .range(0...64, off: "off"))
  package let pretrained = TrainOption(
    "pretrained", "Weights to start from: safetensors with names of torchvision, timm or transformers, or a run.",
    String?.none, mayDifferByRank: true, isPath: true)

  package let batch = TrainOption(
    "batch", "Pairs of a step, over all ranks.",
    16, .range(1...65536))
  package let microBatch = TrainOption(
    "micro-batch", "Pairs of a micro-batch, which goes through the network at once.",
    16, .range(1...4096))
  package let syncNorm = TrainOption(
    "sync-norm", "Batch norm over all pairs of a step; its micro-batches run side by side.",
    false)
  package let bucket = TrainOption(
    "bucket", "MiB of gradients that travel at once.",
    25, .range(1...1024), onResume: .mayChange)
  package let wire = TrainOption(
    "wire", "How gradients travel; bfloat16 halves the bytes and rounds.",
    Wire.float32)
  package let shardOptimizer = TrainOption(
    "shard-optimizer", "Each rank keeps and updates a slice of the optimizer's state.",
    false, onResume: .mayChange)
  package let stallTimeout = TrainOption(
    "stall-timeout",
    "Seconds that a rank may keep the others waiting without getting on, before the run ends and names it.",
    60, .range(0...86400, off: "for ever"), onResume: .mayChange)
  package let checkEvery = TrainOption(
    "check-every", "Steps between comparisons of the ranks' weights; checkpoints are compared in any case.",
    100, .range(0...1_000_000_000, off: "off"), onResume: .mayChange)
  package let verifyCollectives = TrainOption(
    "verify-collectives", "Ranks compare what they are about to do before each collective.",
    false, onResume: .mayChange)
  package let epochs = TrainOption(
    "epochs", "Epochs.",
    10, .range(1...1_000_000), onResume: .mayChange)
  package let seed = TrainOption(
    "seed", "Seed of everything random.",
    UInt64(0))
  package let threads = TrainOption(
    "threads", "Threads of a rank.",
    1, .range(1...1024), onResume: .mayChange, mayDifferByRank: true)
  package let workers = TrainOption(
    "workers", "Threads that decode photographs.",
    1, .range(1...1024), onResume: .mayChange, mayDifferByRank: true)
  package let recompute = TrainOption(
    "recompute", "Save memory: rebuild most block sums in the backward pass.",
    false, onResume: .mayChange)
  package let dropLast = TrainOption(
    "drop-last", "Leave out the last, short step of an epoch.",
    false)
  package let flip = TrainOption(
    "flip", "Probability of mirroring a pair: pictures flip, eyes change places.",
    Float(0.5), .range(0...1))
  package let verticalFlip = TrainOption(
    "vertical-flip", "Probability of turning both pictures of a pair upside down.",
    Float(0), .range(0...1))
  package let rotation = TrainOption(
    "rotation", "Largest angle of rotating a picture, in degrees.",
    Float(0), .range(0...180))
  package let zoom = TrainOption(
    "zoom", "Smallest and largest factor of enlarging a picture: beyond 1 it is cropped.",
    [Float](),
    Limit(text: "two numbers of 0.5 to 2, the smaller first") { (factors: [Float]) -> Bool in
      guard factors.count == 2 else { return factors.isEmpty }
      return factors[0] >= 0.5 && factors[0] <= factors[1] && factors[1] <= 2
    })
  package let shift = TrainOption(
    "shift", "Largest shift of a picture, as a part of its side.",
    Float(0), .range(0...0.5))
  package let brightness = TrainOption(
    "brightness", "Largest relative change of a pair's brightness.",
    Float(0), .range(0...0.9))
  package let contrast = TrainOption(
    "contrast", "Largest relative change of a pair's contrast.",
    Float(0), .range(0...0.9))
  package let saturation = TrainOption(
    "saturation", "Largest relative change of a pair's saturation.",
    Float(0), .range(0...0.9))
  package let hue = TrainOption(
    "hue", "Largest change of a pair's hue, as a part of the circle of colours.",
    Float(0), .range(0...0.5))
  package let erasing = TrainOption(
    "erasing", "Probability of erasing a rectangle of a picture.",
    Float(0), .range(0...1))
  package let mixup = TrainOption(
    "mixup", "Parameter of the Beta distribution of shares in which pairs are mixed.",
    Float(0), .range(0...1, off: "off"))

  package let optimizer = TrainOption(
    "optimizer", "How weights move.",
    Options.OptimizerKind.adamw)
  package let learningRate = TrainOption(
    "learning-rate", "Highest learning rate.",
    Float(3e-4), .above(0, to: 1e30))
  package let momentum = TrainOption(
    "momentum", "Momentum of sgd.",
    Float(0.9), .below(0..<1))
  package let weightDecay = TrainOption(
    "weight-decay", "Weight decay.",
    Float(0.05), .range(0...1000))
  package let decayAll = TrainOption(
    "decay-all", "Decay norms and biases too.",
    false)
  package let schedule = TrainOption(
    "schedule", "Learning rate after warmup.",
    Options.ScheduleKind.cosine)
  package let warmup = TrainOption(
    "warmup", "Steps of linear warmup.",
    100, .range(0...1_000_000_000))
  package let clip = TrainOption(
    "clip", "Largest norm of the gradients.",
    Float(5), .range(0...1e30, off: "off"))
  package let smoothing = TrainOption(
    "smoothing", "Label smoothing.",
    Float(0), .below(0..<1))
  package let loss = TrainOption(
    "loss", "What a label costs: bce (cross entropy), or with easy labels counting less focal or asymmetric.",
    Options.LossKind.bce)
  package let gamma = TrainOption(
    "gamma", "Exponents of focal (default: 2), or of positives and negatives of asymmetric (default: 0 4).",
    [Float](),
    Limit(text: "one or two numbers of 0 to 16") { (exponents: [Float]) -> Bool in
      exponents.count <= 2 && exponents.allSatisfy { $0 >= 0 && $0 <= 16 }
    })
  package let probabilityShift = TrainOption(
    "probability-shift", "Probability up to which negatives of asymmetric cost nothing.",
    Float(0.05), .below(0..<1))
  package let positive = TrainOption(
    "positive", "Weight of each label's positives; auto: negatives a positive among those who train, at most 100.",
    PositiveWeights.given([]),
    Limit(text: "auto, or \(Keywords.labels.count) numbers above 0, up to 1000") { weights in
      guard case .given(let weights) = weights else { return true }
      return [0, Keywords.labels.count].contains(weights.count) && weights.allSatisfy { $0 > 0 && $0 <= 1000 }
    })
  package let sampling = TrainOption(
    "sampling", "Who comes in an epoch: shuffle (everyone once), or balanced (every label as often as others).",
    Sampler.Kind.shuffle)
  package let layerDecay = TrainOption(
    "layer-decay", "Factor of the learning rate from each stage of the trunk to the one below it.",
    Float(1), .above(0, to: 1))
  package let freeze = TrainOption(
    "freeze", "Weights that stay as they are: names or modules, with * and ?, for example trunk.layer1.",
    [String]())
  package let unfreezeEpoch = TrainOption(
    "unfreeze-epoch", "Epoch from which the weights of --freeze move.",
    0, .range(0...1_000_000, off: "never"))
  package let ema = TrainOption(
    "ema", "Decay of the weights' moving average.",
    Float(0), .below(0..<1, off: "off"))
  package let emaWarmup = TrainOption(
    "ema-warmup", "After t steps the average's decay is at most t / (t + this).",
    9, .range(0...1_000_000, off: "none"))

  package let monitor = TrainOption(
    "monitor", "Measure by which the best evaluation is the best.",
    Monitor(key: "kappa"))
  package let patience = TrainOption(
    "patience", "Epochs without a better evaluation after which a run ends.",
    0, .range(0...1_000_000, off: "off"), onResume: .mayChange)
  package let checkpointEvery = TrainOption(
    "checkpoint-every", "Steps between checkpoints.",
    0, .range(0...1_000_000_000, off: "every epoch"), onResume: .mayChange)
  package let keep = TrainOption(
    "keep", "Checkpoints kept beside the best.",
    3, .range(1...1_000_000), onResume: .mayChange)
  package let dumpBatches = TrainOption(
    "dump-batches", "First steps whose batches are written to batches/ in --output, for others to repeat.",
    0, .range(0...1000))
  package let onNonfinite = TrainOption(
    "on-nonfinite", "When a loss or gradient is not finite.",
    Options.NonfiniteRule.stop)

  /// The table.
  static let shared = OptionTable()

  /// All options, in order.
  package static let all: [any DeclaredOption] = Mirror(reflecting: shared).children.compactMap {
    $0.value as? any DeclaredOption
  }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// The option `name`.
  package static func option(_ name: String) -> (any DeclaredOption)? { byName[name] }

  /// What to tell those who give the option `name` of an earlier version.
  package static func successor(_ name: String) -> String? {
    name == "accumulate" ? "--micro-batch has taken its place" : nil
  }
}
