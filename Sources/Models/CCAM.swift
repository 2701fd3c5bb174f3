import Operations

/// Cross-Modal Contrastive Alignment: an eye's map [N,h,w,W] -> its unit embedding [N,E]. Eyes with the same findings agree,
/// others differ.
struct CCAM {
  let configuration: Configuration

  func callAsFunction(_ maps: Symbol, _ builder: Builder) throws -> Symbol {
    let hidden = try builder["hidden"].linear(maps.mean(axes: 1..<3), configuration.width).relu()
    return try builder["embed"].linear(hidden, configuration.embedding).l2Normalised()
  }
}
