import Glibc
import Graphs

/// An element-wise function whose derivative follows from its own output: ReLU and the logistic sigmoid.
struct Activation: Operation {
  /// The function.
  enum Function: String, Sendable {
    case relu
    case sigmoid
  }

  let function: Function
  var name: String { function.rawValue }
  var overwrites: Int? { 0 }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(Gradient(function: function), [upstream, context.outputs[0]])
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    return [
      Phase.ranges(operands.inputs[0].shape.count, grain: elementGrain) { [function] range in
        switch function {
        case .relu: for i in range { target[i] = max(source[i], 0) }
        case .sigmoid: for i in range { target[i] = Float(1 / (1 + exp(-Double(source[i])))) }
        }
      }
    ]
  }

  /// From the gradient of the output and the output itself to the gradient of the input.
  struct Gradient: Operation {
    let function: Function
    var name: String { function.rawValue + ".gradient" }
    var overwrites: Int? { 0 }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, output) = (operands.inputs[0].floats, operands.inputs[1].floats)
      let target = operands.outputs[0].floats
      return [
        Phase.ranges(operands.outputs[0].shape.count, grain: elementGrain) { [function] range in
          switch function {
          case .relu: for i in range { target[i] = output[i] > 0 ? upstream[i] : 0 }
          case .sigmoid: for i in range { target[i] = upstream[i] * output[i] * (1 - output[i]) }
          }
        }
      ]
    }
  }
}

extension Symbol {
  /// max(x, 0), element by element.
  public func relu() throws -> Symbol { try graph.apply(Activation(function: .relu), [self])[0] }

  /// 1 / (1 + exp(-x)), element by element.
  public func sigmoid() throws -> Symbol { try graph.apply(Activation(function: .sigmoid), [self])[0] }
}
