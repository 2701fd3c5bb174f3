import Lowering

extension DMSNet {
  /// The graph of a training step, which may add its gradients to those of earlier micro-batches, or of an evaluation, after each
  /// pass.
  public func listings(
    pairs: Int, height: Int, width: Int, trains: Bool, recomputes: Bool = false, accumulates: Bool = false
  ) throws -> [Listing] {
    var listings: [Listing] = []
    let inspect = { listings.append($0) }
    let description =
      trains
      ? try training(
        pairs: pairs, height: height, width: width, recomputes: recomputes, accumulates: accumulates, inspect: inspect)
      : try inference(pairs: pairs, height: height, width: width, inspect: inspect)
    _ = try Compilation(
      description.graph, outputs: Array(description.outputs.values), gradients: description.gradients.map(\.gradient),
      lowerings: .processor(), folding: !trains, inspect: inspect)
    return listings
  }
}
