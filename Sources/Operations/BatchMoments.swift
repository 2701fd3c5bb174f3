import Graphs

/// Mean and biased variance of each channel, and the coefficients that normalise by them: map [..,C], weight [C], bias [C] ->
/// moments [2,C], coefficients [4,C] as `BatchNorm` takes them. Coefficients come from the sums in double precision, before the
/// moments are rounded.
package struct BatchMoments: Operation {
  /// The rows of all ranks' maps, where the moments are those of all of them; nil: of this map alone.
  package let stepRows: Int?

  package var name: String { "batch-moments" }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let channels = inputs[0].shape.channels
    return [TensorType([2, channels]), TensorType([4, channels])]
  }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] { context.inputs.map { _ in nil } }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 4 * inputs[0].shape.count, inputs, outputs)
  }
}

/// Weight [C], bias [C], running mean [C], running variance [C] -> coefficients [4,C] as `BatchNorm` takes them.
package struct BatchNormCoefficients: Operation {
  package var name: String { "batch-norm-coefficients" }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType([4, inputs[0].shape.channels])] }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] { context.inputs.map { _ in nil } }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 5 * inputs[0].shape.channels, inputs, outputs)
  }
}

/// Moves running mean and variance a tenth of the way to the batch's, the variance unbiased, and counts the batch.
package struct RunningStatistics: Operation {
  /// The rows that the moments were taken over.
  package let rows: Int
  /// The share of the new batch.
  package static let momentum: Float = 0.1

  package var name: String { "running-statistics" }
  package var traits: Traits { Traits(hasEffect: true) }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [] }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] { context.inputs.map { _ in nil } }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 6 * inputs[1].shape.count, inputs, outputs)
  }
}
