import Graphs

/// Agreement of the eyes' unit embeddings [2,B,E], s = cos(left, right): eyes with the same labels lose 1 - s, others
/// max(0, s - margin); the mean over all pairs of the step.
package struct ContrastLoss: Operation {
  package let margin: Float
  package var name: String { "contrast-loss" }

  /// Inputs: embeddings [2,B,E], eye labels [2,B,K], pairs of the step [1].
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape.rank == 3, inputs[1].shape.rank == 3, inputs[0].shape[0] == 2, inputs[1].shape[0] == 2,
      inputs[0].shape[1] == inputs[1].shape[1], inputs[2].shape == [1]
    else { throw misfit(self, inputs, "embeddings [2,B,E] and eye labels [2,B,K] were expected") }
    return [TensorType([1])]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil, nil] }
    return [try upstream.graph.apply(Gradient(margin: margin), [upstream] + context.inputs)[0], nil, nil]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  /// upstream * d loss / d embeddings.
  package struct Gradient: Operation {
    package let margin: Float
    package var name: String { "contrast-loss-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[1]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[1].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// The contrast loss of these embeddings [2,B,E].
  public func contrastLoss(_ eyeLabels: Symbol, pairs: Symbol, margin: Float) throws -> Symbol {
    try graph.apply(ContrastLoss(margin: margin), [self, eyeLabels, pairs])[0]
  }
}
