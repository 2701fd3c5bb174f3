import Graphs

/// Tensors laid side by side along one axis.
struct Concatenation: Operation {
  let axis: Int
  var name: String { "concatenation" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    var extents = inputs[0].shape.dimensions
    for input in inputs.dropFirst() {
      var other = input.shape.dimensions
      guard other.count == extents.count else { throw misfit(self, inputs, "ranks differ") }
      extents[axis] += other[axis]
      other[axis] = extents[axis]
      guard other == extents else { throw misfit(self, inputs, "extents differ away from axis \(axis)") }
    }
    return [TensorType(Shape(extents), inputs[0].element)]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return context.inputs.map { _ in nil } }
    var start = 0
    return try context.inputs.enumerated().map { index, input in
      defer { start += input.shape[axis] }
      guard context.wanted[index] else { return nil }
      return try upstream.graph.apply(Slice(axis: axis, range: start..<start + input.shape[axis]), [upstream])[0]
    }
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: 0, inputs, outputs) }

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

  /// A range of one axis, copied.
  struct Slice: Operation {
    let axis: Int
    let range: Range<Int>
    var name: String { "slice" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
      var extents = inputs[0].shape.dimensions
      extents[axis] = range.count
      return [TensorType(Shape(extents), inputs[0].element)]
    }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: 0, outputs, outputs) }
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
}

extension Symbol {
  /// This tensor and `others`, side by side along `axis`.
  public func concatenated(_ others: [Symbol], axis: Int) throws -> Symbol {
    try graph.apply(Concatenation(axis: axis), [self] + others)[0]
  }
}
