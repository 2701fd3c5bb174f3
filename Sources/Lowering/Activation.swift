import Glibc
import Operations

extension Activation {
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
}

extension Activation.Gradient {
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
