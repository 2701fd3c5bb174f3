import CKernels
import Operations

extension ResidualSum {
  func lowering(_ context: LoweringContext) -> Lowering {
    let pieces = context.pieces ?? Pieces(context.outputs[0].shape, elements: elementGrain)
    return Lowering(pieces: pieces) { operands in
      let (a, b, y) = (dms_source(operands.inputs[0]), dms_source(operands.inputs[1]), operands.outputs[0].floats)
      return [
        Phase.pieces(pieces) { rows, channels in
          withUnsafePointer(to: a) { a in
            withUnsafePointer(to: b) { b in
              dms_residual(a, b, rows.lowerBound, rows.count, channels.lowerBound, channels.count, y)
            }
          }
        }
      ]
    }
  }
}

extension ResidualSum.Gradient {
  func lowering(_ context: LoweringContext) -> Lowering {
    let pieces = context.pieces ?? Pieces(context.outputs[0].shape, elements: elementGrain)
    return Lowering(pieces: pieces) { operands in
      let (upstream, output) = (operands.inputs[0].floats, operands.inputs[1].floats)
      let (target, stride) = (operands.outputs[0].floats, operands.outputs[0].shape.channels)
      return [
        Phase.pieces(pieces) { rows, channels in
          dms_relu_gradient(
            upstream, output, stride, rows.lowerBound, rows.count, channels.lowerBound, channels.count, target)
        }
      ]
    }
  }
}
