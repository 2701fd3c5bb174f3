import Glibc
import Operations

extension BinaryCrossEntropy {
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
}

extension BinaryCrossEntropy.Gradient {
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
