import Operations

/// DMS-Net: both eyes' photographs of one patient pass through one ResNet as one batch, left images first; OSIM, CASFM,
/// CCAM and CIAM follow, each of which can be left out. B pairs, K labels, E embedding.
public struct DMSNet: Sendable {
  /// What the network says.
  struct Output {
    /// [B,K].
    let logits: Symbol
    /// [2,B,K], left eyes first.
    let eyes: Symbol?
    /// [2,B,E].
    let embeddings: Symbol?

    var named: [String: Symbol] {
      ["logits": logits, "eyes": eyes, "embeddings": embeddings].compactMapValues { $0 }
    }
  }

  /// A graph and what is read after running it.
  public struct Description {
    /// The graph.
    public let graph: Graph
    /// Outputs by name: `logits`, `eyes`, `embeddings`, and in training `loss`, `loss_patient`, `loss_eyes`, `loss_contrast`.
    public let outputs: [String: Symbol]
    /// In training, the gradients in the order in which they become final.
    public let gradients: [(variable: Variable, gradient: Symbol)]
  }

  /// What fixes the network's shape.
  public let configuration: Configuration
  /// The weights of the loss's parts.
  public let loss: LossWeights

  /// What a photograph's height and width may be, in pixels.
  public static let extents = 64...4096
  /// How many pairs may go through at once.
  public static let pairs = 1...4096

  /// A network; throws where the shape cannot be built.
  public init(_ configuration: Configuration, loss: LossWeights = LossWeights()) throws {
    try configuration.validate()
    try loss.validate()
    guard loss.positive.isEmpty || loss.positive.count == configuration.labels else {
      throw Failure(.usage, "\(loss.positive.count) positive weights for \(configuration.labels) labels")
    }
    self.configuration = configuration
    self.loss = loss
  }

  /// One training step on `pairs` pairs: inputs `images` [2B,H,W,3], `labels` [B,K], `eye_labels` [2,B,K], `pairs` [1] (of
  /// the whole step), `keys` [B,4] (see `dropout`). Of the block sums every second is kept for the
  /// backward pass, and with `recomputes` every fourth; the others are rebuilt. `accumulates`: gradients are added to those of
  /// earlier runs. `stepPairs`: batch norm's moments are those of the whole step, which has so many pairs over all ranks.
  /// `inspect` sees the graph after each pass.
  public func training(
    pairs: Int, height: Int, width: Int, recomputes: Bool = false, accumulates: Bool = false, stepPairs: Int? = nil,
    inspect: ((Listing) -> Void)? = nil
  ) throws -> Description {
    let graph = Graph()
    let output = try forward(
      graph, pairs: pairs, height: height, width: width, isTraining: true, stepPairs: stepPairs)
    let labels = configuration.labels
    let losses = Losses(
      weights: loss, labels: graph.input("labels", TensorType([pairs, labels])),
      eyeLabels: graph.input("eye_labels", TensorType([2, pairs, labels])), pairs: graph.input("pairs", TensorType([1]))
    )
    let parts = try graph.scope("losses") { try losses(output) }
    guard let total = parts["loss"] else { preconditionFailure("a network without loss") }
    inspect?(Listing(.write, graph))
    var gradients = try graph.differentiate(total) { try $0.plus($1) }
    inspect?(Listing(.differentiate, graph))
    if accumulates {
      gradients = try graph.accumulate(gradients) { try $0.plus($1) }
      inspect?(Listing(.accumulate, graph))
    }
    graph.rematerialise(keeping: recomputes ? 4 : 2)
    inspect?(Listing(.rematerialise, graph))
    return Description(graph: graph, outputs: output.named.merging(parts) { $1 }, gradients: gradients)
  }

  /// Evaluation of `pairs` pairs: input `images` [2B,H,W,3]. `inspect` sees the graph.
  public func inference(
    pairs: Int, height: Int, width: Int, inspect: ((Listing) -> Void)? = nil
  ) throws -> Description {
    let graph = Graph()
    let output = try forward(graph, pairs: pairs, height: height, width: width, isTraining: false)
    inspect?(Listing(.write, graph))
    return Description(graph: graph, outputs: output.named, gradients: [])
  }

  private func forward(
    _ graph: Graph, pairs: Int, height: Int, width: Int, isTraining: Bool, stepPairs: Int? = nil
  ) throws -> Output {
    guard Self.extents.contains(height), Self.extents.contains(width) else {
      throw Failure(
        .usage,
        "size is \(height)x\(width), expected \(Self.extents.lowerBound) to \(Self.extents.upperBound) each")
    }
    guard Self.pairs.contains(pairs) else {
      throw Failure(.usage, "\(pairs) pairs at once, expected \(Self.pairs.lowerBound) to \(Self.pairs.upperBound)")
    }
    // The pictures and the first map lie in memory at once: what the host cannot hold is refused before it is planned.
    try Storage.require(byteCount: 4 * 2 * pairs * height * width * (3 + configuration.stem / 4))
    let images = graph.input("images", TensorType([2 * pairs, height, width, 3]))
    let builder = Builder(graph: graph, isTraining: isTraining, stepPairs: stepPairs.map { (own: pairs, all: $0) })
    let trunk = try Trunk(configuration: configuration)(images, builder["trunk"])
    let maps = try OSIM(configuration: configuration)(trunk, builder["osim"])
    let (eyes, fused) = try CASFM(configuration: configuration)(maps, builder["casfm"])
    let labels = configuration.labels

    var features: Symbol
    var eyeLogits: Symbol?
    if configuration.without.contains(.ciam) {
      features = try fused.mean(axes: 1..<3).reshaped([pairs, 1, configuration.width])
        .stretched(to: [pairs, labels, configuration.width])
    } else {
      let ciam = CIAM(configuration, builder["ciam"])
      features = try graph.scope("ciam") { try ciam.pool(fused) }
      eyeLogits = try graph.scope("ciam") { try ciam.eyeLogits(eyes).reshaped([2, pairs, labels]) }
    }
    var embeddings: Symbol?
    if !configuration.without.contains(.ccam) {
      let embedding = configuration.embedding
      let unit = try CCAM(configuration: configuration)(eyes, builder["ccam"])
      let sides = try unit.split(2)
      let difference = try sides[0].absoluteDifference(sides[1]).reshaped([pairs, 1, embedding])
      features = try features.concatenated([difference.stretched(to: [pairs, labels, embedding])], axis: 2)
      embeddings = try unit.reshaped([2, pairs, embedding])
    }
    if isTraining, configuration.dropout > 0 {
      features = try features.dropout(configuration.dropout, keys: graph.input("keys", TensorType([pairs, 4], .int32)))
    }
    let classifier = builder.parameter("classifier", [labels, features.shape[2]], .normal(deviation: 0.02))
    let bias = builder.parameter("bias", [labels], .constant(0))
    let logits = try graph.scope("classifier") { try features.times(classifier).sum(axes: 2..<3).plus(bias) }
    return Output(logits: logits, eyes: eyeLogits, embeddings: embeddings)
  }
}
