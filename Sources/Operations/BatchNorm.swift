import Graphs

/// Batch norm (Ioffe and Szegedy 2015), with an optional ReLU, over channels-last maps.
///
/// It is two operations. `BatchMoments` in training, `BatchNormCoefficients` in evaluation, say by which scale, bias and mean each
/// channel is normalised; `BatchNorm` applies them. The gradient rule of `BatchNorm` accounts for the moments' dependence on the map, so theirs is empty.
package struct BatchNorm: Operation {
  /// Whether negative results become zero.
  package let relu: Bool
  /// Whether scale and shift depend on the map itself: in training, not in evaluation.
  package let isTraining: Bool
  /// The rows of all ranks' maps, where the moments are those of all of them (synchronised batch norm: Peng et al. 2018); nil: of this
  /// map alone.
  package let stepRows: Int?

  package var name: String { "batch-norm" }

  /// Inputs: map [N,H,W,C], coefficients [4,C] (scale, bias, mean, inverse deviation), weight [C], bias [C].
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let channels = inputs[0].shape.channels
    guard inputs[1].shape == [4, channels], inputs[2].shape == [channels], inputs[3].shape == [channels] else {
      throw misfit(self, inputs, "coefficients, weight and bias take \(channels) channels")
    }
    return [inputs[0]]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil, nil, nil] }
    guard isTraining else { throw Failure(.usage, "\(name): no gradient in evaluation") }
    let (x, coefficients) = (context.inputs[0], context.inputs[1])
    let sums = try x.graph.apply(Sums(relu: relu, stepRows: stepRows), [upstream, x, coefficients])
    let dx = try x.graph.apply(Gradient(relu: relu), [upstream, x, coefficients, sums[2]])[0]
    return [dx, nil, sums[0], sums[1]]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 3 * inputs[0].shape.count, inputs, outputs)
  }
}

/// The trained and kept tensors of one batch norm.
public struct BatchNormVariables {
  let weight, bias, runningMean, runningVariance, batches: Symbol

  /// Declares `prefix.weight`, `.bias`, `.running_mean`, `.running_var` and `.num_batches_tracked`.
  public init(_ graph: Graph, _ prefix: String, channels: Int) {
    let type = TensorType([channels])
    func declare(_ name: String, _ role: Variable.Role, _ value: Float) -> Symbol {
      graph.variable(Variable("\(prefix).\(name)", type, role, start: .constant(value)))
    }
    weight = declare("weight", .parameter(decays: false), 1)
    bias = declare("bias", .parameter(decays: false), 0)
    runningMean = declare("running_mean", .state, 0)
    runningVariance = declare("running_var", .state, 1)
    batches = graph.variable(
      Variable("\(prefix).num_batches_tracked", TensorType([], .int64), .state, start: .constant(0)))
  }
}

extension Symbol {
  /// Batch norm over all axes but the last, then ReLU where asked: with the batch's own moments in training, which move the
  /// running ones, and with the running ones otherwise. `stepRows`: the moments are those of all ranks' maps, which have so many rows
  /// together; all ranks run it at once.
  public func batchNorm(
    _ variables: BatchNormVariables, relu: Bool, isTraining: Bool, stepRows: Int? = nil
  ) throws -> Symbol {
    let (weight, bias) = (variables.weight, variables.bias)
    let coefficients: Symbol
    if isTraining {
      let measured = try graph.apply(BatchMoments(stepRows: stepRows), [self, weight, bias])
      _ = try graph.apply(
        RunningStatistics(rows: stepRows ?? shape.rows),
        [measured[0], variables.runningMean, variables.runningVariance, variables.batches])
      coefficients = measured[1]
    } else {
      coefficients = try graph.apply(
        BatchNormCoefficients(), [weight, bias, variables.runningMean, variables.runningVariance])[0]
    }
    let norm = BatchNorm(relu: relu, isTraining: isTraining, stepRows: stepRows)
    return try graph.apply(norm, [self, coefficients, weight, bias])[0]
  }
}
