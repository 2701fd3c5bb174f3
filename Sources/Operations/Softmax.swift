import Glibc
import Graphs

/// exp(x) divided by its sum over the last axis, the largest element first taken away.
struct Softmax: Operation {
  var name: String { "softmax" }
  var overwrites: Int? { 0 }
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(Gradient(), [upstream, context.outputs[0]])
  }
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 5 * inputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (x, y) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let columns = operands.inputs[0].shape.channels
    return [
      Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, Tuning.Elements.exponentials / columns)) { rows in
        for row in rows {
          let span = row * columns..<(row + 1) * columns
          var top = x[span.lowerBound]
          for k in span { top = max(top, x[k]) }
          var sum = 0.0
          for k in span {
            let value = exp(Double(x[k]) - Double(top))
            y[k] = Float(value)
            sum += value
          }
          for k in span { y[k] = Float(Double(y[k]) / sum) }
        }
      }
    ]
  }

  /// y * (g - sum(g * y)).
  struct Gradient: Operation {
    var name: String { "softmax-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 4 * inputs[0].shape.count, inputs, outputs)
    }
    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, y, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
      let columns = operands.inputs[0].shape.channels
      return [
        Phase.ranges(operands.inputs[0].shape.rows, grain: max(1, Tuning.Elements.doubles / columns)) { rows in
          for row in rows {
            let offset = row * columns
            var sum: Float = 0
            for k in offset..<offset + columns { sum += upstream[k] * y[k] }
            for k in offset..<offset + columns { target[k] = y[k] * (upstream[k] - sum) }
          }
        }
      ]
    }
  }
}

extension Symbol {
  /// Softmax over the last axis.
  public func softmax() throws -> Symbol { try graph.apply(Softmax(), [self])[0] }
}
