import Glibc
import Operations

extension Softmax {
  func phases(_ operands: Operands) -> [Phase] {
    let (x, y) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let columns = operands.inputs[0].shape.channels
    return [
      Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, Tuning.Elements.exponentials / columns)) { rows in
        for row in rows {
          let span = row * columns..<(row + 1) * columns
          var top = x[span.lowerBound]
          for k in span { top = max(top, x[k]) }
          var sum = 0.0
          for k in span {
            let value = exp(Double(x[k]) - Double(top))
            y[k] = Float(value)
            sum += value
          }
          for k in span { y[k] = Float(Double(y[k]) / sum) }
        }
      }
    ]
  }
}

extension Softmax.Gradient {
  func phases(_ operands: Operands) -> [Phase] {
    let (upstream, y, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
    let columns = operands.inputs[0].shape.channels
    return [
      Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, Tuning.Elements.doubles / columns)) { rows in
        for row in rows {
          let offset = row * columns
          var sum: Float = 0
          for k in offset..<offset + columns { sum += upstream[k] * y[k] }
          for k in offset..<offset + columns { target[k] = y[k] * (upstream[k] - sum) }
        }
      }
    ]
  }
}
