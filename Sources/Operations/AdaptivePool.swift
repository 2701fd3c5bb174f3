import Graphs

/// Mean or maximum over a grid of `bins` by `bins` windows that cover the map whatever its size; window i of s over an
/// extent h spans floor(i h / s) ..< ceil((i + 1) h / s), as in PyTorch.
struct AdaptivePool: Operation {
  /// What becomes of a window.
  enum Function: String, Sendable {
    case mean
    case maximum
  }

  let function: Function
  let bins: Int

  var name: String { "adaptive-\(function.rawValue)-pool" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape.rank == 4 else { throw misfit(self, inputs, "a map [N,H,W,C] was expected") }
    return [TensorType([inputs[0].shape[0], bins, bins, inputs[0].shape[3]])]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    let inputs = function == .maximum ? [upstream, context.inputs[0]] : [upstream]
    return try upstream.graph.apply(Gradient(pool: self, map: context.inputs[0].shape), inputs)
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  func window(_ bin: Int, _ extent: Int) -> Range<Int> { bin * extent / bins..<((bin + 1) * extent + bins - 1) / bins }

  func phases(_ operands: Operands) -> [Phase] {
    let map = operands.inputs[0].shape
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let (height, width, channels) = (map[1], map[2], map[3])
    return [
      Phase(chunks: map[0]) { [self] image, _ in
        for i in 0..<bins {
          for j in 0..<bins {
            let (rows, columns) = (window(i, height), window(j, width))
            let to = ((image * bins + i) * bins + j) * channels
            for y in rows {
              for x in columns {
                let from = ((image * height + y) * width + x) * channels
                if y == rows.lowerBound, x == columns.lowerBound {
                  for k in 0..<channels { target[to + k] = source[from + k] }
                } else if function == .maximum {
                  for k in 0..<channels { target[to + k] = max(target[to + k], source[from + k]) }
                } else {
                  for k in 0..<channels { target[to + k] += source[from + k] }
                }
              }
            }
            if function == .mean {
              let area = Float(rows.count * columns.count)
              for k in to..<to + channels { target[k] /= area }
            }
          }
        }
      }
    ]
  }

  /// The gradient of the map: gradient of the output [, map] -> [N,H,W,C]. A maximum's goes to the first that attains it.
  struct Gradient: Operation {
    let pool: AdaptivePool
    let map: Shape
    var name: String { pool.name + "-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost { Cost(flops: map.count, inputs, outputs) }

    func phases(_ operands: Operands) -> [Phase] {
      let (height, width, channels, bins) = (map[1], map[2], map[3], pool.bins)
      let (upstream, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
      let source = pool.function == .maximum ? operands.inputs[1].floats : nil
      return [
        Phase(chunks: map[0]) { [pool] image, _ in
          let offset = image * height * width * channels
          (target + offset).update(repeating: 0, count: height * width * channels)
          for i in 0..<bins {
            for j in 0..<bins {
              let (rows, columns) = (pool.window(i, height), pool.window(j, width))
              let from = upstream + ((image * bins + i) * bins + j) * channels
              let share = 1 / Float(rows.count * columns.count)
              for k in 0..<channels {
                var best = -1
                for y in rows {
                  for x in columns {
                    let at = offset + (y * width + x) * channels + k
                    if let source {
                      if best < 0 || source[at] > source[best] { best = at }
                    } else {
                      target[at] += from[k] * share
                    }
                  }
                }
                if best >= 0 { target[best] += from[k] }
              }
            }
          }
        }
      ]
    }
  }
}

extension Symbol {
  /// The mean over a grid of `bins` by `bins` windows.
  public func adaptiveMeanPool(_ bins: Int) throws -> Symbol {
    try graph.apply(AdaptivePool(function: .mean, bins: bins), [self])[0]
  }

  /// The maximum over a grid of `bins` by `bins` windows.
  public func adaptiveMaxPool(_ bins: Int) throws -> Symbol {
    try graph.apply(AdaptivePool(function: .maximum, bins: bins), [self])[0]
  }
}
