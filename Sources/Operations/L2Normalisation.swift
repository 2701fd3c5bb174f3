import Graphs

/// Rows brought to length 1: x / max(|x|, epsilon) over the last axis.
struct L2Normalisation: Operation {
  /// Shorter rows are divided by this.
  static let epsilon = 1e-6
  var name: String { "l2-normalisation" }
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(Gradient(), [upstream, context.inputs[0]])
  }
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 3 * inputs[0].shape.count, inputs, outputs)
  }

  static func length(_ x: UnsafePointer<Float>, _ span: Range<Int>) -> Double {
    var sum = 0.0
    for k in span { sum += Double(x[k]) * Double(x[k]) }
    return sum.squareRoot()
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (x, y, columns) = (operands.inputs[0].floats, operands.outputs[0].floats, operands.inputs[0].shape.channels)
    return [
      Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, elementGrain / columns)) { rows in
        for row in rows {
          let span = row * columns..<(row + 1) * columns
          let factor = 1 / max(Self.length(x, span), Self.epsilon)
          for k in span { y[k] = Float(factor * Double(x[k])) }
        }
      }
    ]
  }

  /// (g - y (g . y)) / |x|; a row shorter than epsilon is merely divided by it.
  struct Gradient: Operation {
    var name: String { "l2-normalisation-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 7 * inputs[0].shape.count, inputs, outputs)
    }
    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, x, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
      let columns = operands.inputs[0].shape.channels
      return [
        Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, elementGrain / columns)) { rows in
          for row in rows {
            let span = row * columns..<(row + 1) * columns
            let length = L2Normalisation.length(x, span)
            let factor = 1 / max(length, L2Normalisation.epsilon)
            var product = 0.0
            if length > L2Normalisation.epsilon {
              for k in span { product += Double(upstream[k]) * Double(x[k]) }
              product *= factor * factor
            }
            for k in span { target[k] = Float(factor * (Double(upstream[k]) - product * Double(x[k]))) }
          }
        }
      ]
    }
  }
}

extension Symbol {
  /// Rows of length 1.
  public func l2Normalised() throws -> Symbol { try graph.apply(L2Normalisation(), [self])[0] }
}
