import Operations

extension Arithmetic {
  func phases(_ operands: Operands) -> [Phase] {
    let (x, y, z) = (operands.inputs[0], operands.inputs[1], operands.outputs[0])
    let left = Stretch(x.shape, to: z.shape)
    let right = Stretch(y.shape, to: z.shape)
    let columns = z.shape.channels
    return [
      Phase.ranges(z.shape.rows, grain: elementGrain / columns) { [function] rows in
        let (i, j) = (left.column, right.column)
        for row in rows {
          let (p, q, t) = (x.floats + left.row(row), y.floats + right.row(row), z.floats + row * columns)
          switch function {
          case .add: for k in 0..<columns { t[k] = p[k * i] + q[k * j] }
          case .subtract: for k in 0..<columns { t[k] = p[k * i] - q[k * j] }
          case .multiply: for k in 0..<columns { t[k] = p[k * i] * q[k * j] }
          }
        }
      }
    ]
  }
}

extension StretchSum {
  func phases(_ operands: Operands) -> [Phase] {
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let (large, small) = (operands.inputs[0].shape, operands.outputs[0].shape)
    let stretch = Stretch(small, to: large)
    let columns = large.channels
    // A chunk is a stripe of columns, or all of them where they too are summed; rows are added in order.
    let grain = stretch.column == 0 ? columns : 16
    let rowsSmall = stretch.column == 0 ? small.count : small.rows
    return [
      Phase.ranges(columns, grain: grain) { stripe in
        for i in 0..<rowsSmall {
          if stretch.column == 0 { target[i] = 0 } else { for k in stripe { target[i * columns + k] = 0 } }
        }
        for row in 0..<large.rows {
          let start = stretch.row(row)
          if stretch.column == 0 {
            var sum: Float = 0
            for k in stripe { sum += source[row * columns + k] }
            target[start] += sum
          } else {
            for k in stripe { target[start + k] += source[row * columns + k] }
          }
        }
      }
    ]
  }
}

extension Scale {
  func phases(_ operands: Operands) -> [Phase] {
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    return [
      Phase.ranges(operands.inputs[0].shape.count, grain: elementGrain) { [factor] in
        for i in $0 { target[i] = factor * source[i] }
      }
    ]
  }
}
