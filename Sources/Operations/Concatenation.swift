import Graphs

/// Tensors laid side by side along one axis.
package struct Concatenation: Operation {
  package let axis: Int
  package var name: String { "concatenation" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
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

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return context.inputs.map { _ in nil } }
    var start = 0
    return try context.inputs.enumerated().map { index, input in
      defer { start += input.shape[axis] }
      guard context.wanted[index] else { return nil }
      return try upstream.graph.apply(Slice(axis: axis, range: start..<start + input.shape[axis]), [upstream])[0]
    }
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: 0, inputs, outputs) }

  /// A range of one axis, copied.
  package struct Slice: Operation {
    package let axis: Int
    package let range: Range<Int>
    package var name: String { "slice" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
      var extents = inputs[0].shape.dimensions
      extents[axis] = range.count
      return [TensorType(Shape(extents), inputs[0].element)]
    }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: 0, outputs, outputs) }
  }
}

extension Symbol {
  /// This tensor and `others`, side by side along `axis`.
  public func concatenated(_ others: [Symbol], axis: Int) throws -> Symbol {
    try graph.apply(Concatenation(axis: axis), [self] + others)[0]
  }
}
