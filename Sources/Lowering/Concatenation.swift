import Operations

extension Concatenation {
  func phases(_ operands: Operands) -> [Phase] {
    let shape = operands.outputs[0].shape
    let outer = shape.dimensions[..<axis].reduce(1, *)
    let inner = shape.dimensions[(axis + 1)...].reduce(1, *)
    let width = shape[axis] * inner
    let target = operands.outputs[0].floats
    var start = 0
    return operands.inputs.map { input in
      let (offset, part, source) = (start, input.shape[axis] * inner, input.floats)
      start += part
      return Phase.ranges(outer, grain: elementGrain / max(1, part)) { rows in
        for row in rows { (target + row * width + offset).update(from: source + row * part, count: part) }
      }
    }
  }
}

extension Concatenation.Slice {
  func phases(_ operands: Operands) -> [Phase] {
    let shape = operands.inputs[0].shape
    let outer = shape.dimensions[..<axis].reduce(1, *)
    let inner = shape.dimensions[(axis + 1)...].reduce(1, *)
    let (width, part, offset) = (shape[axis] * inner, range.count * inner, range.lowerBound * inner)
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    return [
      Phase.ranges(outer, grain: elementGrain / max(1, part)) { rows in
        for row in rows { (target + row * part).update(from: source + row * width + offset, count: part) }
      }
    ]
  }
}
