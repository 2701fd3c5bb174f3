import Operations

/// Cross-Modal Integrative Alignment: one learned query a label collects evidence from a map [N,h,w,W] -> [N,K,W], and an
/// eye's own evidence gives its own logits [N,K].
struct CIAM {
  private let queries, eye, eyeBias, keyWeight, keyBias: Symbol

  init(_ configuration: Configuration, _ builder: Builder) {
    let (labels, width) = (configuration.labels, configuration.width)
    queries = builder.parameter("queries", [labels, width], .normal(deviation: 0.02))
    eye = builder.parameter("eye", [labels, width], .normal(deviation: 0.02))
    eyeBias = builder.parameter("eye_bias", [labels], .constant(0))
    keyWeight = builder["key"].parameter("weight", [width, width], .uniform(bound: (3 / Float(width)).squareRoot()))
    keyBias = builder["key"].parameter("bias", [width], .constant(0))
  }

  /// Softmax over tokens of query . key, then the weighted mean token: [N,h,w,W] -> [N,K,W].
  func pool(_ maps: Symbol) throws -> Symbol {
    let width = maps.shape[3]
    let tokens = try maps.reshaped([maps.shape[0], maps.shape[1] * maps.shape[2], width])
    let scores = try tokens.linear(keyWeight, bias: keyBias)
      .matrixProduct(queries, transposed: true, scale: 1 / Float(width).squareRoot())
    return try scores.permuted([0, 2, 1]).softmax().matrixProduct(tokens)
  }

  /// [N,h,w,W] -> [N,K].
  func eyeLogits(_ maps: Symbol) throws -> Symbol { try pool(maps).times(eye).sum(axes: 2..<3).plus(eyeBias) }
}
