import Graphs

/// |a - b|, element by element; the gradient at 0 is 0.
package struct AbsoluteDifference: Operation {
  package var name: String { "absolute-difference" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0] == inputs[1] else { throw misfit(self, inputs, "both sides take one shape") }
    return [inputs[0]]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let gradient = try upstream.graph.apply(Gradient(), [upstream] + context.inputs)[0]
    return [gradient, try gradient.scaled(by: -1)]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
  }

  /// upstream * sign(a - b).
  package struct Gradient: Operation {
    package var name: String { "absolute-difference-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// |self - other|.
  public func absoluteDifference(_ other: Symbol) throws -> Symbol {
    try graph.apply(AbsoluteDifference(), [self, other])[0]
  }
}
