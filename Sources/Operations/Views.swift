import Graphs

/// The same elements under another shape: nothing runs.
package struct Reshape: Operation {
  package let shape: Shape
  package var name: String { "reshape" }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape.count == shape.count else { throw misfit(self, inputs, "\(shape) has other elements") }
    return [TensorType(shape, inputs[0].element)]
  }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    [try context.gradients[0]?.reshaped(context.inputs[0].shape)]
  }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: 0, bytes: 0) }
  package var traits: Traits { Traits(isView: true) }
}

/// Equal parts along the outermost axis: nothing runs.
package struct EqualParts: Operation {
  package let parts: Int
  package var name: String { "split" }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    var extents = inputs[0].shape.dimensions
    guard let outer = extents.first, outer % parts == 0 else { throw misfit(self, inputs, "not \(parts) equal parts") }
    extents[0] = outer / parts
    let part = TensorType(Shape(extents), inputs[0].element)
    return Array(repeating: part, count: parts)
  }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard context.gradients.contains(where: { $0 != nil }) else { return [nil] }
    let gradients = zip(context.gradients, context.outputs).map { $0 ?? $1.graph.constant(0, $1.shape) }
    return [try gradients[0].concatenated(Array(gradients.dropFirst()), axis: 0)]
  }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: 0, bytes: 0) }
  package var traits: Traits { Traits(isView: true) }
}

extension Symbol {
  /// The same elements as `shape`.
  public func reshaped(_ shape: Shape) throws -> Symbol {
    shape == self.shape ? self : try graph.apply(Reshape(shape: shape), [self])[0]
  }

  /// `parts` equal parts along the outermost axis.
  public func split(_ parts: Int) throws -> [Symbol] { try graph.apply(EqualParts(parts: parts), [self]) }
}
