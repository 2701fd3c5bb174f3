import Graphs

/// Bilinear interpolation to another size, pixel centres at halves (PyTorch's align_corners=false).
package struct Resize: Operation {
  package let height: Int
  package let width: Int
  package var name: String { "resize" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape.rank == 4 else { throw misfit(self, inputs, "a map [N,H,W,C] was expected") }
    return [TensorType([inputs[0].shape[0], height, width, inputs[0].shape[3]])]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(Gradient(map: context.inputs[0].shape), [upstream])
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 8 * outputs[0].shape.count, inputs, outputs)
  }

  /// Gives each source its share of every target it took part in.
  package struct Gradient: Operation {
    package let map: Shape
    package var name: String { "resize-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 8 * inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// Bilinear interpolation to `height` by `width`.
  public func resized(_ height: Int, _ width: Int) throws -> Symbol {
    try graph.apply(Resize(height: height, width: width), [self])[0]
  }
}
