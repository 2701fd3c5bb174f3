import Graphs

/// Cross entropy of logits with 0/1 labels in which easy labels count less, averaged like `BinaryCrossEntropy`.
///
/// Of a label with probability p, a positive costs (1 - p)^`positiveFocus` * -log p, a negative q^`negativeFocus` * -log(1 - q) with
/// q = max(p - `shift`, 0): the asymmetric loss (Ridnik et al. 2021). Equal exponents without a shift make the focal loss (Lin et al.
/// 2017). Targets between 0 and 1 weigh both costs; positives weigh `positive`, one factor a label.
package struct AsymmetricLoss: Operation {
  package let positiveFocus, negativeFocus, shift: Float
  package let smoothing: Float
  package let positive: [Float]
  /// Elements a pair contributes.
  package let elementsPerPair: Int

  package var name: String { "asymmetric-loss" }

  /// Inputs: logits [..,K], labels of the same shape, pairs of the step [1].
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0] == inputs[1], inputs[2].shape == [1], positive.isEmpty || positive.count == inputs[0].shape.channels
    else { throw misfit(self, inputs, "labels like logits, and one positive weight a label, were expected") }
    return [TensorType([1])]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil, nil] }
    return [try upstream.graph.apply(Gradient(loss: self), [upstream] + context.inputs)[0], nil, nil]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 40 * inputs[0].shape.count, inputs, outputs)
  }

  /// upstream * d loss / d logits.
  package struct Gradient: Operation {
    package let loss: AsymmetricLoss
    package var name: String { loss.name + "-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[1]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 60 * inputs[1].shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// The asymmetric loss of these logits. The first axis, or the second of three, counts the pairs.
  public func asymmetricLoss(
    _ labels: Symbol, pairs: Symbol, positiveFocus: Float, negativeFocus: Float, shift: Float, smoothing: Float,
    positive: [Float]
  ) throws -> Symbol {
    let here = shape.rank == 3 ? shape[1] : shape[0]
    let loss = AsymmetricLoss(
      positiveFocus: positiveFocus, negativeFocus: negativeFocus, shift: shift, smoothing: smoothing,
      positive: positive, elementsPerPair: shape.count / max(1, here))
    return try graph.apply(loss, [self, labels, pairs])[0]
  }
}
