import Graphs

/// Maximum over square windows of channels-last maps; outside the map lies minus infinity.
///
/// Output 1 keeps which tap won (the first of equals, as in PyTorch), a byte an element, for the gradient.
package struct MaxPool: Operation {
  package let kernel: Int
  package let stride: Int
  package let padding: Int

  package var name: String { "max-pool" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let map = inputs[0].shape
    guard map.rank == 4, map[1] + 2 * padding >= kernel, map[2] + 2 * padding >= kernel, kernel * kernel < 256 else {
      throw misfit(self, inputs, "a map [N,H,W,C] no smaller than \(kernel) was expected")
    }
    let extent = { (axis: Int) in (map[axis] + 2 * padding - kernel) / stride + 1 }
    let shape: Shape = [map[0], extent(1), extent(2), map[3]]
    return [TensorType(shape), TensorType(shape, .uint8)]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(
      Gradient(pool: self, map: context.inputs[0].shape), [upstream, context.outputs[1]])
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: outputs[0].shape.count * kernel * kernel, inputs, outputs)
  }

  /// The gradient of the map: gradient of the output, winning taps -> [N,H,W,C].
  package struct Gradient: Operation {
    package let pool: MaxPool
    package let map: Shape
    package var name: String { "max-pool-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: inputs[0].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// The maximum over windows of `kernel` by `kernel`.
  public func maxPool(kernel: Int, stride: Int, padding: Int) throws -> Symbol {
    try graph.apply(MaxPool(kernel: kernel, stride: stride, padding: padding), [self])[0]
  }
}
