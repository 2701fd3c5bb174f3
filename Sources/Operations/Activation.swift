import Graphs

/// An element-wise function whose derivative follows from its own output: ReLU and the logistic sigmoid.
package struct Activation: Operation {
  /// The function.
  package enum Function: String, Sendable {
    case relu
    case sigmoid
  }

  package let function: Function
  package var name: String { function.rawValue }
  package var traits: Traits { Traits(overwrites: 0) }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(Gradient(function: function), [upstream, context.outputs[0]])
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  /// From the gradient of the output and the output itself to the gradient of the input.
  package struct Gradient: Operation {
    package let function: Function
    package var name: String { function.rawValue + ".gradient" }
    package var traits: Traits { Traits(overwrites: 0) }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// max(x, 0), element by element.
  public func relu() throws -> Symbol { try graph.apply(Activation(function: .relu), [self])[0] }

  /// 1 / (1 + exp(-x)), element by element.
  public func sigmoid() throws -> Symbol { try graph.apply(Activation(function: .sigmoid), [self])[0] }
}
