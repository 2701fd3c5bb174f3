import Graphs

/// Group norm (Wu and He 2018) over channels-last maps and layer norm (Ba et al. 2016) over the last axis: the tensor is
/// seen as [instances, rows, channels] and each group of channels of an instance is brought to mean 0 and variance 1, then
/// scaled and shifted by channel. Layer norm is one group with one row an instance.
package struct GroupNorm: Operation {
  package let groups: Int
  /// Whether all axes between the first and the last belong to one instance; otherwise each row is one.
  package let spansRows: Bool
  /// Added to the variance.
  package static let epsilon = 1e-5

  package var name: String { spansRows ? "group-norm" : "layer-norm" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let channels = inputs[0].shape.channels
    guard channels % groups == 0, inputs[1].shape == [channels], inputs[2].shape == [channels] else {
      throw misfit(self, inputs, "\(groups) groups, weight and bias of the channels were expected")
    }
    return [inputs[0]]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil, nil] }
    return try upstream.graph.apply(Gradient(norm: self), [upstream, context.inputs[0], context.inputs[1]])
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 8 * inputs[0].shape.count, inputs, outputs)
  }

  /// Instances, and the rows and channels of each.
  package func extents(_ shape: Shape) -> (instances: Int, rows: Int, channels: Int) {
    spansRows ? (shape[0], shape.rows / shape[0], shape.channels) : (shape.rows, 1, shape.channels)
  }

  /// gradient, input, weight -> gradients of input, weight and bias.
  package struct Gradient: Operation {
    package let norm: GroupNorm
    package var name: String { norm.name + "-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[1], inputs[2], inputs[2]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 16 * inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// Group norm of a map [N,H,W,C].
  public func groupNorm(_ groups: Int, weight: Symbol, bias: Symbol) throws -> Symbol {
    try graph.apply(GroupNorm(groups: groups, spansRows: true), [self, weight, bias])[0]
  }

  /// Layer norm over the last axis.
  public func layerNorm(weight: Symbol, bias: Symbol) throws -> Symbol {
    try graph.apply(GroupNorm(groups: 1, spansRows: false), [self, weight, bias])[0]
  }
}
