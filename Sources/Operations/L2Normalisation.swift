import Graphs

/// Rows brought to length 1: x / max(|x|, epsilon) over the last axis.
package struct L2Normalisation: Operation {
  /// Shorter rows are divided by this.
  package static let epsilon = 1e-6
  package var name: String { "l2-normalisation" }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(Gradient(), [upstream, context.inputs[0]])
  }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 3 * inputs[0].shape.count, inputs, outputs)
  }

  /// (g - y (g . y)) / |x|; a row shorter than epsilon is merely divided by it.
  package struct Gradient: Operation {
    package var name: String { "l2-normalisation-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 7 * inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// Rows of length 1.
  public func l2Normalised() throws -> Symbol { try graph.apply(L2Normalisation(), [self])[0] }
}
