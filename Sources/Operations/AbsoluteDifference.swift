import Graphs

/// |a - b|, element by element; the gradient at 0 is 0.
struct AbsoluteDifference: Operation {
  var name: String { "absolute-difference" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0] == inputs[1] else { throw misfit(self, inputs, "both sides take one shape") }
    return [inputs[0]]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let gradient = try upstream.graph.apply(Gradient(), [upstream] + context.inputs)[0]
    return [gradient, try gradient.scaled(by: -1)]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (a, b, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
    return [
      Phase.ranges(operands.outputs[0].shape.count, grain: elementGrain) {
        for i in $0 { target[i] = abs(a[i] - b[i]) }
      }
    ]
  }

  /// upstream * sign(a - b).
  struct Gradient: Operation {
    var name: String { "absolute-difference-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
    }
    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, a, b) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
      let target = operands.outputs[0].floats
      return [
        Phase.ranges(operands.outputs[0].shape.count, grain: elementGrain) {
          for i in $0 { target[i] = a[i] > b[i] ? upstream[i] : a[i] < b[i] ? -upstream[i] : 0 }
        }
      ]
    }
  }
}

extension Symbol {
  /// |self - other|.
  public func absoluteDifference(_ other: Symbol) throws -> Symbol {
    try graph.apply(AbsoluteDifference(), [self, other])[0]
  }
}
