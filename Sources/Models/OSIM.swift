import Operations

/// OmniPool Spatial Integrator: mean and maximum pools on grids of several sizes, then a spatial gate.
/// [N,h,w,C] -> [N,h,w,W]; left out, only the projection remains.
struct OSIM {
  let configuration: Configuration

  func callAsFunction(_ x: Symbol, _ builder: Builder) throws -> Symbol {
    let base = try builder["project"].convolutionNorm(x, configuration.width, relu: true)
    if configuration.without.contains(.osim) { return base }
    let channels = configuration.width / configuration.bins.count
    let branches = try configuration.bins.enumerated().map { index, bins in
      let branch = builder["branches"]["\(index)"]
      let pooled = try base.adaptiveMeanPool(bins).plus(base.adaptiveMaxPool(bins))
      let norm = branch["1"].normVariables(channels)
      let y = try branch["0"].convolution(pooled, channels)
        .groupNorm(greatestCommonDivisor(8, channels), weight: norm.weight, bias: norm.bias).relu()
      return try y.resized(base.shape[1], base.shape[2])
    }
    let fused = try builder["fuse"].convolutionNorm(
      base.concatenated(branches, axis: 3), configuration.width, kernel: 3, relu: true)
    let summary = try fused.mean(axes: 3..<4, keepsAxes: true)
      .concatenated([fused.maximum(axes: 3..<4, keepsAxes: true)], axis: 3)
    let gate = try builder["gate"].convolution(summary, 1, kernel: 7, bias: true).sigmoid()
    return try base.plus(fused.times(gate))
  }

  private func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }
}
