@_exported import Communication
import Foundation
@_exported import Fundus
@_exported import Metrics
@_exported import Models

/// The values of all options of a training run, each by its name in `OptionTable`: `options.learningRate`.
@dynamicMemberLookup
package struct Options: Sendable, Equatable {
  /// How weights move.
  package enum OptimizerKind: String, OptionValue, CaseIterable {
    case sgd
    case adamw
  }

  /// How the learning rate falls after warmup.
  package enum ScheduleKind: String, OptionValue, CaseIterable {
    case cosine
    case constant
  }

  /// What a label costs.
  package enum LossKind: String, OptionValue, CaseIterable {
    case bce
    case focal
    case asymmetric
  }

  /// What can be left out: the network's modules, and losses beside the patient's.
  package enum Part: String, OptionValue, CaseIterable {
    case osim
    case casfm
    case ccam
    case ciam
    case eyesLoss = "eyes-loss"
    case contrastLoss = "contrast-loss"
  }

  /// What a loss or gradient that is not finite does.
  package enum NonfiniteRule: String, OptionValue, CaseIterable {
    case stop
    case skip
  }

  private var values: [String: any OptionValue] = [:]

  /// The defaults.
  package init() {}

  /// The defaults, but for what `given` says of options by name.
  package init(_ given: [String: [String]]) throws { try take(given) }

  /// Takes values as texts, by name.
  package mutating func take(_ given: [String: [String]]) throws {
    for (name, texts) in given.sorted(by: { $0.key < $1.key }) {
      guard let option = OptionTable.option(name) else { throw Failure(.usage, "unknown option --\(name)") }
      values[name] = try option.read(texts)
    }
  }

  /// The value of an option.
  package subscript<Value>(dynamicMember path: KeyPath<OptionTable, TrainOption<Value>>) -> Value {
    let option = OptionTable.shared[keyPath: path]
    return values[option.name] as? Value ?? option.initial
  }

  /// The value of an option as text; empty where it has none.
  package func texts(_ option: any DeclaredOption) -> [String] { values[option.name]?.texts ?? option.defaultTexts }

  /// All values by name, also defaults; what has none is left out.
  package var texts: [String: [String]] {
    let all = OptionTable.all.map { ($0.name, texts($0), $0.shape) }
    return Dictionary(uniqueKeysWithValues: all.filter { !$0.1.isEmpty || $0.2 == .list }.map { ($0.0, $0.1) })
  }

  /// Equal where all values are.
  package static func == (a: Options, b: Options) -> Bool { a.texts == b.texts }

  /// The network these options describe; `positive`: weights of positives, where the options leave those to the data.
  package func network(labels: Int, positive: [Float] = []) throws -> DMSNet {
    var configuration: Configuration
    if self.blocks.isEmpty {
      configuration = try Configuration(depth: self.depth)
    } else {
      configuration = Configuration()
      (configuration.block, configuration.blocks) = (self.block, self.blocks)
    }
    configuration.stem = self.stem
    configuration.width = self.width
    configuration.embedding = self.embedding
    configuration.heads = self.heads
    configuration.bins = self.bins
    configuration.dropout = self.dropout
    configuration.without = Configuration.Module.allCases.filter { module in
      self.without.contains { $0.rawValue == module.rawValue }
    }
    configuration.labels = labels
    var loss = LossWeights()
    loss.smoothing = self.smoothing
    if case .given(let weights) = self.positive { loss.positive = weights } else { loss.positive = positive }
    loss.focus = focus
    if self.without.contains(.eyesLoss) { loss.eyes = 0 }
    if self.without.contains(.contrastLoss) { loss.contrast = 0 }
    return try DMSNet(configuration, loss: loss)
  }

  private var focus: Focus? {
    switch self.loss {
    case .bce: return nil
    case .focal: return Focus(positive: self.gamma.first ?? 2, negative: self.gamma.last ?? 2)
    case .asymmetric:
      return Focus(
        positive: self.gamma.first ?? 0, negative: self.gamma.last ?? 4, shift: self.probabilityShift)
    }
  }

  /// How these options prepare photographs.
  package var preparation: Preparation {
    var result = Preparation(height: self.size.height, width: self.size.width)
    (result.crop, result.padding, result.circle) = (self.crop, self.padding, self.circle)
    (result.localMean, result.clahe) = (self.localMean, self.clahe)
    return result
  }

  /// How these options change pairs in training; `partners`: places of those that others may be mixed with.
  package func augmentation(partners: [Int]) -> Augmentation {
    var settings = Augmentation.Settings()
    (settings.flip, settings.verticalFlip, settings.rotation) = (self.flip, self.verticalFlip, self.rotation)
    if let low = self.zoom.first, let high = self.zoom.last { settings.zoom = low...high }
    (settings.shift, settings.brightness, settings.contrast) = (self.shift, self.brightness, self.contrast)
    (settings.saturation, settings.hue) = (self.saturation, self.hue)
    (settings.erasing, settings.mixup) = (self.erasing, self.mixup)
    return Augmentation(seed: self.seed, settings, partners: partners)
  }

  /// The data set these options describe.
  package func dataset() throws -> Dataset {
    var source = Dataset.Source(folder: self.data)
    (source.annotations, source.sheet) = (self.annotations, self.sheet)
    (source.images, source.isStrict) = (self.images, self.strict)
    return try Dataset(source)
  }
}

extension Options: Codable {
  /// Reads texts by name, within their limits.
  package init(from decoder: any Decoder) throws {
    try self.init(decoder.singleValueContainer().decode([String: [String]].self))
  }

  /// Writes texts by name.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(texts)
  }
}
