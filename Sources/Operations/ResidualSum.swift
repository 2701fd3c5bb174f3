import Graphs

/// The end of a residual block (He et al. 2016): max(0, a + b).
package struct ResidualSum: Operation {
  package var name: String { "residual-sum" }
  package var traits: Traits { Traits(isCheap: true, overwrites: 0) }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape == inputs[1].shape else { throw misfit(self, inputs, "both sides take one shape") }
    return [inputs[0]]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let masked = try upstream.graph.apply(Gradient(), [upstream, context.outputs[0]])[0]
    return [masked, masked]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
  }

  /// The gradient of both sides: gradient, output -> gradient where the output is positive.
  package struct Gradient: Operation {
    package var name: String { "residual-sum-gradient" }
    package var traits: Traits { Traits(overwrites: 0) }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// max(0, self + other).
  public func residualSum(_ other: Symbol) throws -> Symbol { try graph.apply(ResidualSum(), [self, other])[0] }
}
