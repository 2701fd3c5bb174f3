import Graphs

/// Mean, sum or maximum over axes that lie side by side: the tensor is seen as [outer, reduced, inner].
package struct Reduction: Operation {
  /// What becomes of the reduced elements.
  package enum Function: String, Sendable {
    case mean
    case sum
    case maximum
  }

  package let function: Function
  package let axes: Range<Int>
  package let keepsAxes: Bool

  package var name: String { function.rawValue }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard axes.lowerBound >= 0, axes.upperBound <= inputs[0].shape.rank, !axes.isEmpty else {
      throw misfit(self, inputs, "there are no axes \(axes)")
    }
    var extents = inputs[0].shape.dimensions
    extents.replaceSubrange(axes, with: keepsAxes ? axes.map { _ in 1 } : [])
    return [TensorType(Shape(extents), inputs[0].element)]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    let gradient = Gradient(reduction: self, shape: context.inputs[0].shape)
    let inputs = function == .maximum ? [upstream, context.inputs[0], context.outputs[0]] : [upstream]
    return try upstream.graph.apply(gradient, inputs)
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  /// The extents [outer, reduced, inner] of a tensor reduced over `axes`.
  package static func extents(_ shape: Shape, _ axes: Range<Int>) -> (outer: Int, reduced: Int, inner: Int) {
    let d = shape.dimensions
    return (d[..<axes.lowerBound].reduce(1, *), d[axes].reduce(1, *), d[axes.upperBound...].reduce(1, *))
  }

  /// Spreads the upstream gradient over the reduced elements; that of a maximum evenly over those that attain it.
  package struct Gradient: Operation {
    package let reduction: Reduction
    package let shape: Shape
    package var name: String { reduction.name + "-gradient" }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(shape)] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: shape.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// The mean over `axes`, which must lie side by side.
  public func mean(axes: Range<Int>, keepsAxes: Bool = false) throws -> Symbol {
    try graph.apply(Reduction(function: .mean, axes: axes, keepsAxes: keepsAxes), [self])[0]
  }

  /// The sum over `axes`.
  public func sum(axes: Range<Int>, keepsAxes: Bool = false) throws -> Symbol {
    try graph.apply(Reduction(function: .sum, axes: axes, keepsAxes: keepsAxes), [self])[0]
  }

  /// The maximum over `axes`.
  public func maximum(axes: Range<Int>, keepsAxes: Bool = false) throws -> Symbol {
    try graph.apply(Reduction(function: .maximum, axes: axes, keepsAxes: keepsAxes), [self])[0]
  }
}
