import Operations

extension Permutation {
  func phases(_ operands: Operands) -> [Phase] {
    let (from, to) = (operands.inputs[0], operands.outputs[0])
    let (input, output) = (operands.inputs[0].shape, operands.outputs[0].shape)
    var strides = [Int](repeating: 1, count: input.rank)
    for axis in stride(from: input.rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * input[axis + 1] }
    let steps = axes.map { strides[$0] }
    let columns = output.channels
    let column = steps.last ?? 1
    return [
      Phase.ranges(output.rows, grain: elementGrain / columns) { rows in
        for row in rows {
          var (remainder, offset) = (row, 0)
          var axis = steps.count - 2
          while axis >= 0 {
            let extent = output.dimensions[axis]
            offset += remainder % extent * steps[axis]
            remainder /= extent
            axis -= 1
          }
          for k in 0..<columns { to.floats[row * columns + k] = from.floats[offset + k * column] }
        }
      }
    ]
  }
}
