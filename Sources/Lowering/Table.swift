@_exported import Operations

extension Lowerings {
  /// How operations run on this processor; `convolution` picks the algorithm of every convolution, and `place` is the program's among
  /// those of a step, where norms are over all of them.
  public static func processor(
    _ convolution: ConvolutionAlgorithm = .preferred, place: StepPlace? = nil
  ) -> Lowerings {
    var table = Lowerings(fusions: FusionRule.all)
    // Element by element.
    table.add(AbsoluteDifference.phases)
    table.add(AbsoluteDifference.Gradient.phases)
    table.add(Activation.phases)
    table.add(Activation.Gradient.phases)
    table.add(Arithmetic.phases)
    table.add(Dropout.phases)
    table.add(ResidualSum.lowering)
    table.add(ResidualSum.Gradient.lowering)
    table.add(Scale.phases)
    table.add(StretchSum.phases)
    // Elements moved.
    table.add(Concatenation.phases)
    table.add(Concatenation.Slice.phases)
    table.add(Permutation.phases)
    // Sums, pools and resizing.
    table.add(AdaptivePool.phases)
    table.add(AdaptivePool.Gradient.phases)
    table.add(MaxPool.phases)
    table.add(MaxPool.Gradient.phases)
    table.add(Reduction.phases)
    table.add(Reduction.Gradient.phases)
    table.add(Resize.phases)
    table.add(Resize.Gradient.phases)
    // Norms.
    table.add { (operation: BatchMoments) in { operation.lowering($0, place) } }
    table.add(BatchNorm.phases)
    table.add(BatchNorm.Gradient.phases)
    table.add { (operation: BatchNorm.Sums) in { operation.lowering($0, place) } }
    table.add(BatchNormCoefficients.phases)
    table.add(GroupNorm.phases)
    table.add(GroupNorm.Gradient.lowering)
    table.add(L2Normalisation.phases)
    table.add(L2Normalisation.Gradient.phases)
    table.add { (operation: RunningStatistics) in { operation.lowering($0, place) } }
    table.add(Softmax.phases)
    table.add(Softmax.Gradient.phases)
    // Products.
    table.add { (operation: Convolution) in { operation.lowering($0, convolution) } }
    table.add { (operation: Convolution.MapGradient) in { operation.lowering($0, convolution) } }
    table.add { (operation: Convolution.WeightGradient) in { operation.lowering($0, convolution) } }
    table.add(MatrixProduct.lowering)
    // Losses.
    table.add(BinaryCrossEntropy.phases)
    table.add(BinaryCrossEntropy.Gradient.phases)
    table.add(ContrastLoss.phases)
    table.add(ContrastLoss.Gradient.phases)
    return table
  }
}

extension Program {
  /// Compiles `graph` for this processor; see `Program.init`.
  public convenience init(
    _ graph: Graph, outputs: [String: Symbol], gradients: [(variable: Variable, gradient: Symbol)] = [],
    variables: Variables, arena: Arena, team: ThreadTeam, folding: Bool = false
  ) throws {
    try self.init(
      graph, outputs: outputs, gradients: gradients, variables: variables, arena: arena, team: team, folding: folding,
      lowerings: .processor())
  }
}
