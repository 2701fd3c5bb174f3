import Graphs

/// Mean or maximum over a grid of `bins` by `bins` windows that cover the map whatever its size; window i of s over an
/// extent h spans floor(i h / s) ..< ceil((i + 1) h / s), as in PyTorch.
package struct AdaptivePool: Operation {
  /// What becomes of a window.
  package enum Function: String, Sendable {
    case mean
    case maximum
  }

  package let function: Function
  package let bins: Int

  package var name: String { "adaptive-\(function.rawValue)-pool" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape.rank == 4 else { throw misfit(self, inputs, "a map [N,H,W,C] was expected") }
    return [TensorType([inputs[0].shape[0], bins, bins, inputs[0].shape[3]])]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    let inputs = function == .maximum ? [upstream, context.inputs[0]] : [upstream]
    return try upstream.graph.apply(Gradient(pool: self, map: context.inputs[0].shape), inputs)
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  /// The gradient of the map: gradient of the output [, map] -> [N,H,W,C]. A maximum's goes to the first that attains it.
  package struct Gradient: Operation {
    package let pool: AdaptivePool
    package let map: Shape
    package var name: String { pool.name + "-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: map.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// The mean over a grid of `bins` by `bins` windows.
  public func adaptiveMeanPool(_ bins: Int) throws -> Symbol {
    try graph.apply(AdaptivePool(function: .mean, bins: bins), [self])[0]
  }

  /// The maximum over a grid of `bins` by `bins` windows.
  public func adaptiveMaxPool(_ bins: Int) throws -> Symbol {
    try graph.apply(AdaptivePool(function: .maximum, bins: bins), [self])[0]
  }
}
