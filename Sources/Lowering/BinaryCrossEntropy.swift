import Glibc
import Operations

extension BinaryCrossEntropy {
  func phases(_ operands: Operands) -> [Phase] {
    let (logits, labels, pairs) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
    let (target, count) = (operands.outputs[0].floats, operands.inputs[0].shape.count)
    let classes = operands.inputs[0].shape.channels
    return [
      Phase(chunks: 1) { _, _ in
        var sum = 0.0
        for i in 0..<count { sum += element(logits[i], label: labels[i], place: i % classes).cost }
        target[0] = Float(sum / (Double(elementsPerPair) * Double(pairs[0])))
      }
    ]
  }

  /// What one label costs, and how that changes with its logit.
  fileprivate func element(_ logit: Float, label: Float, place: Int) -> (cost: Double, slope: Double) {
    let (x, y) = (Double(logit), Double(label * (1 - smoothing) + smoothing / 2))
    let weight = positive.isEmpty ? 1 : Double(positive[place])
    if let focus { return focus.element(x, y, weight: weight) }
    // log(1 + exp(-x)), safe for either sign.
    let soft = max(-x, 0) + log1p(exp(-abs(x)))
    let negative = 1 / (1 + exp(x))  // 1 - sigmoid(x)
    return ((1 - y) * x + (1 + (weight - 1) * y) * soft, (1 - y) - (1 + (weight - 1) * y) * negative)
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
          target[i] = Float(factor * loss.element(logits[i], label: labels[i], place: i % classes).slope)
        }
      }
    ]
  }
}

extension Focus {
  /// What a label with logit `x` and target `y` costs, and how that changes with x.
  fileprivate func element(_ x: Double, _ y: Double, weight: Double) -> (cost: Double, slope: Double) {
    // p and 1 - p, and their logarithms, safe for either sign of x.
    let (p, rest) = (1 / (1 + exp(-x)), 1 / (1 + exp(x)))
    let tail = log1p(exp(-abs(x)))
    let (minusLog, minusLogRest) = (max(-x, 0) + tail, max(x, 0) + tail)
    let easy = pow(rest, Double(positive))
    let costOfPositive = (cost: easy * minusLog, slope: -easy * (Double(positive) * p * minusLog + rest))
    var costOfNegative = (cost: 0.0, slope: 0.0)
    let exponent = Double(negative)
    if shift == 0 {
      let hard = pow(p, exponent)
      costOfNegative = (hard * minusLogRest, hard * (exponent * rest * minusLogRest + p))
    } else if p > Double(shift) {
      let q = p - Double(shift)
      let (hard, left) = (pow(q, exponent), 1 - q)
      costOfNegative = (-hard * log(left), p * rest * hard * (1 / left - exponent * log(left) / q))
    }
    return (
      weight * y * costOfPositive.cost + (1 - y) * costOfNegative.cost,
      weight * y * costOfPositive.slope + (1 - y) * costOfNegative.slope
    )
  }
}
