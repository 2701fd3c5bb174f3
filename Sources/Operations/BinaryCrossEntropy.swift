import Glibc
import Graphs

/// Binary cross entropy of logits with 0/1 labels, averaged over labels and over all pairs of the step, on whichever rank
/// they are: sum / (count / pairs here * pairs of the step).
///
/// Targets are smoothed towards one half; positive targets weigh `positive` (one factor a label), as in PyTorch's
/// `binary_cross_entropy_with_logits`.
struct BinaryCrossEntropy: Operation {
  let smoothing: Float
  let positive: [Float]
  /// Elements a pair contributes.
  let elementsPerPair: Int

  var name: String { "binary-cross-entropy" }

  /// Inputs: logits [..,K], labels of the same shape, pairs of the step [1].
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0] == inputs[1], inputs[2].shape == [1], positive.isEmpty || positive.count == inputs[0].shape.channels
    else { throw misfit(self, inputs, "labels like logits, and one positive weight a label, were expected") }
    return [TensorType([1])]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil, nil] }
    return [try upstream.graph.apply(Gradient(loss: self), [upstream] + context.inputs)[0], nil, nil]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 10 * inputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (logits, labels, pairs) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
    let (target, count) = (operands.outputs[0].floats, operands.inputs[0].shape.count)
    let classes = operands.inputs[0].shape.channels
    return [
      Phase(chunks: 1) { [smoothing, positive, elementsPerPair] _, _ in
        var sum = 0.0
        for i in 0..<count {
          let (x, y) = (Double(logits[i]), Double(labels[i] * (1 - smoothing) + smoothing / 2))
          let weight = positive.isEmpty ? 1 : Double(positive[i % classes])
          // log(1 + exp(-x)), safe for either sign.
          let soft = max(-x, 0) + log1p(exp(-abs(x)))
          sum += (1 - y) * x + (1 + (weight - 1) * y) * soft
        }
        target[0] = Float(sum / (Double(elementsPerPair) * Double(pairs[0])))
      }
    ]
  }

  /// upstream * d loss / d logits.
  struct Gradient: Operation {
    let loss: BinaryCrossEntropy
    var name: String { loss.name + "-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[1]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 8 * inputs[1].shape.count, inputs, outputs)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, logits, labels) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
      let (pairs, target) = (operands.inputs[3].floats, operands.outputs[0].floats)
      let (count, classes) = (operands.inputs[1].shape.count, operands.inputs[1].shape.channels)
      return [
        Phase(chunks: 1) { [loss] _, _ in
          let factor = Double(upstream[0]) / (Double(loss.elementsPerPair) * Double(pairs[0]))
          for i in 0..<count {
            let (x, y) = (Double(logits[i]), Double(labels[i] * (1 - loss.smoothing) + loss.smoothing / 2))
            let weight = loss.positive.isEmpty ? 1 : Double(loss.positive[i % classes])
            let negative = 1 / (1 + exp(x))  // 1 - sigmoid(x)
            target[i] = Float(factor * ((1 - y) - (1 + (weight - 1) * y) * negative))
          }
        }
      ]
    }
  }
}

extension Symbol {
  /// Binary cross entropy of these logits. The first axis, or the second of three, counts the pairs.
  public func binaryCrossEntropy(_ labels: Symbol, pairs: Symbol, smoothing: Float, positive: [Float]) throws -> Symbol
  {
    let here = shape.rank == 3 ? shape[1] : shape[0]
    let loss = BinaryCrossEntropy(smoothing: smoothing, positive: positive, elementsPerPair: shape.count / max(1, here))
    return try graph.apply(loss, [self, labels, pairs])[0]
  }
}
