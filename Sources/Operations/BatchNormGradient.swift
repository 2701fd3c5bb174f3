import Graphs

extension BatchNorm {
  /// Sums over the batch that the gradient needs: gradient [..,C], map [..,C], coefficients [4,C] -> gradient of the weight
  /// [C], gradient of the bias [C], and rows b, d [2,C] with which the map's gradient is
  /// scale * mask * gradient + b * (map - mean) + d. The rows come from all ranks' sums where the moments do; the gradients of weight
  /// and bias are this rank's part of them.
  package struct Sums: Operation {
    package let relu: Bool
    /// See `BatchNorm`.
    package let stepRows: Int?

    package var name: String { "batch-norm-sums" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
      let channels = inputs[0].shape.channels
      return [TensorType([channels]), TensorType([channels]), TensorType([2, channels])]
    }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 7 * inputs[0].shape.count, inputs, outputs)
    }
  }

  /// The gradient of the map: gradient, map, coefficients [4,C], rows [2,C] of `Sums` -> its gradient.
  package struct Gradient: Operation {
    package let relu: Bool
    package var name: String { "batch-norm-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 6 * inputs[0].shape.count, inputs, outputs)
    }
  }
}
