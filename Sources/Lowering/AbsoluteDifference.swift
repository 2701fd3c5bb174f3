import Operations

extension AbsoluteDifference {
  func phases(_ operands: Operands) -> [Phase] {
    let (a, b, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
    return [
      Phase.ranges(operands.outputs[0].shape.count, grain: elementGrain) {
        for i in $0 { target[i] = abs(a[i] - b[i]) }
      }
    ]
  }
}

extension AbsoluteDifference.Gradient {
  func phases(_ operands: Operands) -> [Phase] {
    let (upstream, a, b) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
    let target = operands.outputs[0].floats
    return [
      Phase.ranges(operands.outputs[0].shape.count, grain: elementGrain) {
        for i in $0 { target[i] = a[i] > b[i] ? upstream[i] : a[i] < b[i] ? -upstream[i] : 0 }
      }
    ]
  }
}
