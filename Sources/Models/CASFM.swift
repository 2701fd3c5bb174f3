import Operations

/// Calibrated Analogous Semantic Fusion: channel and spatial recalibration, then attention from each eye to the other.
/// Both eyes' maps [2B,h,w,W], left ones first -> both attended [2B,h,w,W] and the fused map [B,h,w,W]; left out, only the
/// merge remains.
struct CASFM {
  let configuration: Configuration

  func callAsFunction(_ maps: Symbol, _ builder: Builder) throws -> (eyes: Symbol, fused: Symbol) {
    let eyes = configuration.without.contains(.casfm) ? maps : try attended(recalibrated(maps, builder), builder)
    let sides = try eyes.split(2)
    let joint = try sides[0].plus(sides[1]).concatenated([sides[0].absoluteDifference(sides[1])], axis: 3)
    return (eyes, try builder["merge"].convolutionNorm(joint, configuration.width, relu: true))
  }

  /// For each eye the other: the halves of the batch change places.
  private func swapped(_ x: Symbol) throws -> Symbol {
    let sides = try x.split(2)
    return try sides[1].concatenated([sides[0]], axis: 0)
  }

  /// The channel gate sees this eye first and the other second; the spatial gate sees this eye alone.
  private func recalibrated(_ maps: Symbol, _ builder: Builder) throws -> Symbol {
    let width = configuration.width
    let pooled = try maps.mean(axes: 1..<3)
    let both = try pooled.concatenated([swapped(pooled)], axis: 1)
    let channel = try builder["excite"].linear(builder["squeeze"].linear(both, width / 4).relu(), width).sigmoid()
    let spatial = try builder["spatial"].convolution(maps, 1, bias: true).sigmoid()
    return try maps.times(channel.reshaped([maps.shape[0], 1, 1, width]))
      .times(spatial.plus(maps.graph.constant(1, [1])))
  }

  /// Tokens of one eye ask, tokens of the other answer; residual, then layer norm over channels.
  private func attended(_ maps: Symbol, _ builder: Builder) throws -> Symbol {
    let width = configuration.width
    let tokens = try maps.reshaped([maps.shape[0], maps.shape[1] * maps.shape[2], width])
    let other = try swapped(tokens)
    let answer = try attention(
      queries: builder["query"].linear(tokens, width), keys: builder["key"].linear(other, width),
      values: builder["value"].linear(other, width), heads: configuration.heads)
    let norm = builder["norm"].normVariables(width)
    return try tokens.plus(builder["out"].linear(answer, width)).layerNorm(weight: norm.weight, bias: norm.bias)
      .reshaped(maps.shape)
  }
}
