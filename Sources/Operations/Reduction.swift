import Graphs

/// Mean, sum or maximum over axes that lie side by side: the tensor is seen as [outer, reduced, inner].
struct Reduction: Operation {
  /// What becomes of the reduced elements.
  enum Function: String, Sendable {
    case mean
    case sum
    case maximum
  }

  let function: Function
  let axes: Range<Int>
  let keepsAxes: Bool

  var name: String { function.rawValue }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard axes.lowerBound >= 0, axes.upperBound <= inputs[0].shape.rank, !axes.isEmpty else {
      throw misfit(self, inputs, "there are no axes \(axes)")
    }
    var extents = inputs[0].shape.dimensions
    extents.replaceSubrange(axes, with: keepsAxes ? axes.map { _ in 1 } : [])
    return [TensorType(Shape(extents), inputs[0].element)]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    let gradient = Gradient(reduction: self, shape: context.inputs[0].shape)
    let inputs = function == .maximum ? [upstream, context.inputs[0], context.outputs[0]] : [upstream]
    return try upstream.graph.apply(gradient, inputs)
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  /// The extents [outer, reduced, inner] of a tensor reduced over `axes`.
  static func extents(_ shape: Shape, _ axes: Range<Int>) -> (outer: Int, reduced: Int, inner: Int) {
    let d = shape.dimensions
    return (d[..<axes.lowerBound].reduce(1, *), d[axes].reduce(1, *), d[axes.upperBound...].reduce(1, *))
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let (outer, reduced, inner) = Self.extents(operands.inputs[0].shape, axes)
    return [
      Phase.ranges(outer, grain: max(1, elementGrain / (reduced * inner))) { [function] range in
        for o in range {
          for i in 0..<inner {
            let first = o * reduced * inner + i
            if function == .maximum {
              var best = source[first]
              for r in 1..<max(1, reduced) { best = max(best, source[first + r * inner]) }
              target[o * inner + i] = best
            } else {
              var sum = 0.0
              for r in 0..<reduced { sum += Double(source[first + r * inner]) }
              target[o * inner + i] = Float(function == .mean ? sum / Double(reduced) : sum)
            }
          }
        }
      }
    ]
  }

  /// Spreads the upstream gradient over the reduced elements; that of a maximum evenly over those that attain it.
  struct Gradient: Operation {
    let reduction: Reduction
    let shape: Shape
    var name: String { reduction.name + "-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(shape)] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: shape.count, inputs, outputs) }

    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
      let (outer, reduced, inner) = Reduction.extents(shape, reduction.axes)
      let grain = max(1, elementGrain / (reduced * inner))
      guard reduction.function == .maximum else {
        let factor = reduction.function == .mean ? 1 / Float(reduced) : 1
        return [
          Phase.ranges(outer, grain: grain) { range in
            for o in range {
              for r in 0..<reduced {
                for i in 0..<inner { target[(o * reduced + r) * inner + i] = factor * upstream[o * inner + i] }
              }
            }
          }
        ]
      }
      let (source, best) = (operands.inputs[1].floats, operands.inputs[2].floats)
      return [
        Phase.ranges(outer, grain: grain) { range in
          for o in range {
            for i in 0..<inner {
              let (first, top) = (o * reduced * inner + i, best[o * inner + i])
              var ties = 0
              for r in 0..<reduced where source[first + r * inner] == top { ties += 1 }
              let share = upstream[o * inner + i] / Float(max(1, ties))
              for r in 0..<reduced { target[first + r * inner] = source[first + r * inner] == top ? share : 0 }
            }
          }
        }
      ]
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
