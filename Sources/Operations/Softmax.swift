import Graphs

/// exp(x) divided by its sum over the last axis, the largest element first taken away.
package struct Softmax: Operation {
  package var name: String { "softmax" }
  package var traits: Traits { Traits(overwrites: 0) }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(Gradient(), [upstream, context.outputs[0]])
  }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 5 * inputs[0].shape.count, inputs, outputs)
  }

  /// y * (g - sum(g * y)).
  package struct Gradient: Operation {
    package var name: String { "softmax-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 4 * inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// Softmax over the last axis.
  public func softmax() throws -> Symbol { try graph.apply(Softmax(), [self])[0] }
}
