import Operations

extension L2Normalisation {
  static func length(_ x: UnsafePointer<Float>, _ span: Range<Int>) -> Double {
    var sum = 0.0
    for k in span { sum += Double(x[k]) * Double(x[k]) }
    return sum.squareRoot()
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (x, y, columns) = (operands.inputs[0].floats, operands.outputs[0].floats, operands.inputs[0].shape.channels)
    return [
      Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, elementGrain / columns)) { rows in
        for row in rows {
          let span = row * columns..<(row + 1) * columns
          let factor = 1 / max(Self.length(x, span), Self.epsilon)
          for k in span { y[k] = Float(factor * Double(x[k])) }
        }
      }
    ]
  }
}

extension L2Normalisation.Gradient {
  func phases(_ operands: Operands) -> [Phase] {
    let (upstream, x, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
    let columns = operands.inputs[0].shape.channels
    return [
      Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, elementGrain / columns)) { rows in
        for row in rows {
          let span = row * columns..<(row + 1) * columns
          let length = L2Normalisation.length(x, span)
          let factor = 1 / max(length, L2Normalisation.epsilon)
          var product = 0.0
          if length > L2Normalisation.epsilon {
            for k in span { product += Double(upstream[k]) * Double(x[k]) }
            product *= factor * factor
          }
          for k in span { target[k] = Float(factor * (Double(upstream[k]) - product * Double(x[k]))) }
        }
      }
    ]
  }
}
