import Graphs

/// Binary cross entropy of logits with 0/1 labels, averaged over labels and over all pairs of the step, on whichever rank
/// they are: sum / (count / pairs here * pairs of the step).
///
/// Targets are smoothed towards one half; positive targets weigh `positive` (one factor a label), as in PyTorch's
/// `binary_cross_entropy_with_logits`. With a `focus` easy labels count less.
package struct BinaryCrossEntropy: Operation {
  package let smoothing: Float
  package let positive: [Float]
  package let focus: Focus?
  /// Elements a pair contributes.
  package let elementsPerPair: Int

  package var name: String { "binary-cross-entropy" }

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
    Cost(flops: (focus == nil ? 10 : 40) * inputs[0].shape.count, inputs, outputs)
  }

  /// upstream * d loss / d logits.
  package struct Gradient: Operation {
    package let loss: BinaryCrossEntropy
    package var name: String { loss.name + "-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[1]] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: (loss.focus == nil ? 8 : 60) * inputs[1].shape.count, inputs, outputs)
    }
  }
}

/// How much less easy labels count: of a label with probability p, a positive costs (1 - p)^`positive` * -log p, a negative
/// q^`negative` * -log(1 - q) with q = max(p - `shift`, 0), the asymmetric loss (Ridnik et al. 2021). Equal exponents without a shift make the
/// focal loss (Lin et al. 2017). Targets between 0 and 1 weigh both costs.
public struct Focus: Codable, Sendable, Equatable {
  /// Exponents of 1 - p for positives and of p for negatives.
  public var positive, negative: Float
  /// The probability up to which negatives cost nothing.
  public var shift: Float

  /// A focus.
  public init(positive: Float, negative: Float, shift: Float = 0) {
    (self.positive, self.negative, self.shift) = (positive, negative, shift)
  }
}

extension Symbol {
  /// Binary cross entropy of these logits. The first axis, or the second of three, counts the pairs.
  public func binaryCrossEntropy(
    _ labels: Symbol, pairs: Symbol, smoothing: Float, positive: [Float], focus: Focus? = nil
  ) throws -> Symbol {
    let here = shape.rank == 3 ? shape[1] : shape[0]
    let loss = BinaryCrossEntropy(
      smoothing: smoothing, positive: positive, focus: focus, elementsPerPair: shape.count / max(1, here))
    return try graph.apply(loss, [self, labels, pairs])[0]
  }
}
