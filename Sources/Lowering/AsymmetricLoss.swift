import Glibc
import Operations

extension AsymmetricLoss {
  /// What a label with logit `x` and target `y` costs, and how that changes with x.
  fileprivate func element(_ x: Double, _ y: Double, weight: Double) -> (cost: Double, slope: Double) {
    // p and 1 - p, and their logarithms, safe for either sign of x.
    let (p, rest) = (1 / (1 + exp(-x)), 1 / (1 + exp(x)))
    let tail = log1p(exp(-abs(x)))
    let (minusLog, minusLogRest) = (max(-x, 0) + tail, max(x, 0) + tail)
    let easy = pow(rest, Double(positiveFocus))
    let positive = (
      cost: easy * minusLog, slope: -easy * (Double(positiveFocus) * p * minusLog + rest)
    )
    var negative = (cost: 0.0, slope: 0.0)
    let focus = Double(negativeFocus)
    if shift == 0 {
      let hard = pow(p, focus)
      negative = (hard * minusLogRest, hard * (focus * rest * minusLogRest + p))
    } else if p > Double(shift) {
      let q = p - Double(shift)
      let (hard, left) = (pow(q, focus), 1 - q)
      negative = (-hard * log(left), p * rest * hard * (1 / left - focus * log(left) / q))
    }
    return (
      weight * y * positive.cost + (1 - y) * negative.cost, weight * y * positive.slope + (1 - y) * negative.slope
    )
  }

  fileprivate func target(_ label: Float) -> Double { Double(label * (1 - smoothing) + smoothing / 2) }

  fileprivate func weight(_ place: Int, of classes: Int) -> Double {
    positive.isEmpty ? 1 : Double(positive[place % classes])
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (logits, labels, pairs) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
    let (target, count) = (operands.outputs[0].floats, operands.inputs[0].shape.count)
    let classes = operands.inputs[0].shape.channels
    return [
      Phase(chunks: 1) { _, _ in
        var sum = 0.0
        for i in 0..<count {
          sum += element(Double(logits[i]), self.target(labels[i]), weight: weight(i, of: classes)).cost
        }
        target[0] = Float(sum / (Double(elementsPerPair) * Double(pairs[0])))
      }
    ]
  }
}

extension AsymmetricLoss.Gradient {
  func phases(_ operands: Operands) -> [Phase] {
    let (upstream, logits, labels) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
    let (pairs, target) = (operands.inputs[3].floats, operands.outputs[0].floats)
    let (count, classes) = (operands.inputs[1].shape.count, operands.inputs[1].shape.channels)
    return [
      Phase(chunks: 1) { [loss] _, _ in
        let factor = Double(upstream[0]) / (Double(loss.elementsPerPair) * Double(pairs[0]))
        for i in 0..<count {
          let weight = loss.weight(i, of: classes)
          target[i] = Float(factor * loss.element(Double(logits[i]), loss.target(labels[i]), weight: weight).slope)
        }
      }
    ]
  }
}
