import Operations

extension Reduction {
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
}

extension Reduction.Gradient {
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
