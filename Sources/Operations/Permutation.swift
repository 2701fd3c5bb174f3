import Graphs

/// Axes in another order: axis i of the output is axis `axes[i]` of the input.
package struct Permutation: Operation {
  package let axes: [Int]
  package var name: String { "permutation" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard axes.sorted() == Array(0..<inputs[0].shape.rank) else {
      throw misfit(self, inputs, "\(axes) are not its axes")
    }
    return [TensorType(Shape(axes.map { inputs[0].shape[$0] }), inputs[0].element)]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    [try context.gradients[0]?.permuted(axes.indices.map { axis in axes.firstIndex(of: axis) ?? axis })]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: 0, inputs, outputs) }
}

extension Symbol {
  /// Axes in the order `axes`.
  public func permuted(_ axes: [Int]) throws -> Symbol { try graph.apply(Permutation(axes: axes), [self])[0] }
}
