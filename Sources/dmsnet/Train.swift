import ArgumentParser
import Foundation
import Training

extension Options.OptimizerKind: ExpressibleByArgument {}
extension Options.ScheduleKind: ExpressibleByArgument {}
extension Options.NonfiniteRule: ExpressibleByArgument {}
extension Configuration.Block: ExpressibleByArgument {}
extension Configuration.Module: ExpressibleByArgument {}

/// Height and width in pixels: "224" or "192x256".
struct ImageSize: ExpressibleByArgument, CustomStringConvertible {
  let height, width: Int

  init?(argument: String) {
    let parts = argument.split(separator: "x").map { Int($0) }
    guard let first = parts.first, let height = first, parts.count <= 2, let last = parts.last, let width = last else {
      return nil
    }
    (self.height, self.width) = (height, width)
  }

  var description: String { height == width ? "\(height)" : "\(height)x\(width)" }
}

/// Trains, checkpoints and evaluates.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Train, checkpoint and evaluate.")

  @Option(help: "Folder of the data set: one table (*.xlsx before *.csv) and images below it.") var data: String
  @Option(help: "The table, where the folder does not tell.") var annotations: String?
  @Option(help: "The folder of images, where the data folder holds several.") var images: String?
  @Flag(help: "Rows without images are an error.") var strict = false
  @Option(help: "Folder of the run.") var output: String
  @Flag(help: "Continue the run in --output.") var resume = false
  @Option(help: "YAML file of options; the command line beats it.") var config: String?
  @Option(help: "Share of patients that validate.") var validation = 0.2
  @Option(help: "CSV of ID,split (train or validation) instead of --validation.") var split: String?

  @Option(help: "ResNet depth: 18, 34, 50, 101, 152.") var depth = 18
  @Option(help: "Kind of block, with --blocks: basic, bottleneck.") var block = Configuration.Block.bottleneck
  @Option(parsing: .singleValue, help: "Blocks of a stage; given four times, instead of --depth.") var blocks: [Int] =
    []
  @Option(help: "The trunk's first channel count.") var stem = 64
  @Option(help: "Channels after the trunk.") var width = 256
  @Option(help: "Length of an eye's embedding.") var embedding = 128
  @Option(help: "Attention heads.") var heads = 4
  @Option(parsing: .singleValue, help: "A grid size of OSIM's pools; repeatable.") var bins: [Int] = []
  @Option(help: "Probability with which a feature is dropped.") var dropout: Float = 0.2
  @Option(parsing: .upToNextOption, help: "Modules left out: osim, casfm, ccam, ciam.") var without:
    [Configuration.Module] = []
  @Option(help: "Pixels: a side, or HEIGHTxWIDTH.") var size = ImageSize(224)
  @Option(help: "Trunk weights (safetensors, torchvision's names) to start from.") var pretrained: String?

  @Option(help: "Pairs of a step, over all ranks.") var batch = 16
  @Option(help: "Parts in which a rank works through its share of a step.") var accumulate = 1
  @Option(help: "Epochs.") var epochs = 10
  @Option(help: "Seed of everything random.") var seed: UInt64 = 0
  @Option(help: "Threads of a rank.") var threads = 1
  @Option(help: "Threads that decode photographs.") var workers = 1
  @Flag(help: "Save memory: rebuild most block sums in the backward pass.") var recompute = false
  @Flag(help: "Leave out the last, short step of an epoch.") var dropLast = false
  @Option(help: "Probability of mirroring a pair.") var flip: Float = 0.5

  @Option(help: "Optimizer: sgd, adamw.") var optimizer = Options.OptimizerKind.adamw
  @Option(help: "Highest learning rate.") var learningRate: Float = 3e-4
  @Option(help: "Momentum of sgd.") var momentum: Float = 0.9
  @Option(help: "Weight decay.") var weightDecay: Float = 0.05
  @Flag(help: "Decay norms and biases too.") var decayAll = false
  @Option(help: "Learning rate after warmup: cosine, constant.") var schedule = Options.ScheduleKind.cosine
  @Option(help: "Steps of linear warmup.") var warmup = 100
  @Option(help: "Largest norm of the gradients; 0: any.") var clip: Float = 5
  @Option(help: "Label smoothing.") var smoothing: Float = 0
  @Option(parsing: .singleValue, help: "Weight of a label's positives; given once a label.") var positive: [Float] = []
  @Option(help: "Decay of the weights' moving average; 0: none.") var ema: Float = 0

  @Option(help: "Steps between checkpoints; 0: one an epoch.") var checkpointEvery = 0
  @Option(help: "Checkpoints kept beside the best.") var keep = 3
  @Option(help: "When a loss or gradient is not finite: stop, skip.") var onNonfinite = Options.NonfiniteRule.stop

  /// Every option by its name, as given or by default; what is not set is left out.
  var named: [String: Any] {
    var result: [String: Any] = [
      "data": data, "strict": strict, "output": output, "validation": validation, "depth": depth,
      "block": block.rawValue,
      "stem": stem, "width": width, "embedding": embedding, "heads": heads, "bins": options.bins,
      "dropout": text(dropout),
      "size": "\(size)", "batch": batch, "accumulate": accumulate, "epochs": epochs,
      "seed": Int(truncatingIfNeeded: seed),
      "threads": threads, "workers": workers, "recompute": recompute, "drop-last": dropLast, "flip": text(flip),
      "optimizer": optimizer.rawValue,
      "learning-rate": text(learningRate), "momentum": text(momentum), "weight-decay": text(weightDecay),
      "decay-all": decayAll, "schedule": schedule.rawValue, "warmup": warmup, "clip": text(clip),
      "smoothing": text(smoothing), "ema": text(ema), "checkpoint-every": checkpointEvery, "keep": keep,
      "on-nonfinite": onNonfinite.rawValue, "blocks": blocks, "without": without.map(\.rawValue),
      "positive": positive.map(text),
    ]
    for (name, value) in ["annotations": annotations, "images": images, "split": split, "pretrained": pretrained] {
      if let value { result[name] = value }
    }
    return result
  }

  /// The shortest decimal that reads back as the same float32.
  private func text(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

  static let flagNames: Set<String> = ["strict", "recompute", "drop-last", "decay-all"]

  static let optionNames: Set<String> = flagNames.union([
    "data", "annotations", "images", "output", "validation", "split", "depth", "block", "blocks", "stem", "width",
    "embedding", "heads", "bins", "dropout", "without", "size", "pretrained", "batch", "accumulate", "epochs", "seed",
    "threads", "workers", "flip", "optimizer", "learning-rate", "momentum", "weight-decay", "schedule", "warmup",
    "clip",
    "smoothing", "positive", "ema", "checkpoint-every", "keep", "on-nonfinite",
  ])

  /// The run's options.
  var options: Options {
    var options = Options()
    (options.data, options.annotations, options.images, options.strict) = (data, annotations, images, strict)
    (options.output, options.validation, options.split) = (output, validation, split)
    (options.depth, options.block, options.blocks) = (blocks.isEmpty ? depth : nil, block, blocks)
    (options.stem, options.width, options.embedding, options.heads) = (stem, width, embedding, heads)
    if !bins.isEmpty { options.bins = bins }
    (options.dropout, options.without, options.pretrained) = (dropout, without, pretrained)
    (options.height, options.imageWidth) = (size.height, size.width)
    (options.batch, options.accumulate, options.epochs, options.seed) = (batch, accumulate, epochs, seed)
    (options.threads, options.workers, options.recompute) = (threads, workers, recompute)
    (options.dropLast, options.flip) = (dropLast, flip)
    (options.optimizer, options.learningRate, options.momentum) = (optimizer, learningRate, momentum)
    (options.weightDecay, options.decayAll, options.schedule, options.warmup) = (
      weightDecay, decayAll, schedule, warmup
    )
    (options.clip, options.smoothing, options.positive, options.ema) = (clip, smoothing, positive, ema)
    (options.checkpointEvery, options.keep, options.onNonfinite) = (checkpointEvery, keep, onNonfinite)
    return options
  }

  func run() throws {
    let communicator = try Job.join()
    let options = options
    let (dataset, split) = try communicator.together {
      try options.validate()
      let network = try options.network(labels: Keywords.labels.count)
      let dataset = try options.dataset()
      let split =
        try options.split.map { try Split(dataset, file: $0) }
        ?? Split(dataset, validation: options.validation, seed: options.seed)
      guard !split.training.isEmpty else { throw Failure(.usage, "no patient is left to train on") }
      guard min(options.batch, split.training.count) >= communicator.size else {
        throw Failure(
          .usage,
          "\(communicator.size) ranks are more than the \(min(options.batch, split.training.count)) pairs of a step")
      }
      guard !options.dropLast || split.training.count >= options.batch else {
        throw Failure(.usage, "--drop-last leaves no step: \(split.training.count) pairs, --batch \(options.batch)")
      }
      if communicator.rank == 0 {
        if let path = options.pretrained { try Weights.check(path, network) }
        try preflight(dataset, split.training + split.validation)
      }
      return (dataset, split)
    }
    let opened = try communicator.onFirst { try open(options) } ?? nil
    let progress = Progress(isSpeaking: communicator.rank == 0) { line in try? opened?.run.append("log.txt", line) }
    progress.say(dataset.summary)
    progress.say("\(split.training.count) patients train, \(split.validation.count) validate")
    let environment = try Environment.describe(communicator, threads: options.threads)
    do {
      _ = try communicator.onFirst {
        guard let run = opened?.run else { return }
        try run.write("environment.json", json(environment, indented: true))
        try run.write("split.csv", Data(split.csv(dataset).utf8))
        try run.write("config.yaml", Data(ConfigurationFile.yaml(self).utf8))
      }
      let trainer = try Trainer(
        options, communicator, dataset, split, run: opened?.run, resumed: opened?.checkpoint, progress: progress)
      try trainer.train()
    } catch let agreed as Agreed {
      try? communicator.barrier()
      throw agreed
    }
  }

  /// The run's folder, and the checkpoint it goes on from.
  private func open(_ options: Options) throws -> (run: RunDirectory, checkpoint: Checkpoint?) {
    let run = try RunDirectory(options.output, resumes: resume)
    Checkpoint.sweep(run)
    guard resume else { return (run, nil) }
    guard FileManager.default.fileExists(atPath: "\(options.output)/checkpoints/last/state.json") else {
      // Ended before its first checkpoint: it starts anew.
      try run.rewindMetrics(to: 0)
      return (run, nil)
    }
    let checkpoint = try Checkpoint(options.output, preferring: ["last"])
    let wanted = try options.network(labels: Keywords.labels.count).configuration
    let found = checkpoint.state.configuration
    guard wanted == found else {
      let depths = [found, wanted].map { $0.depth.map { "depth \($0)" } ?? "blocks \($0.blocks)" }
      let difference = depths[0] == depths[1] ? "another network" : "\(depths[0]), the run of \(depths[1])"
      throw Failure(.data, "\(checkpoint.path): is of \(difference)")
    }
    try run.rewindMetrics(to: checkpoint.state.step)
    return (run, checkpoint)
  }
}

extension ImageSize {
  init(_ side: Int) { (height, width) = (side, side) }
}
