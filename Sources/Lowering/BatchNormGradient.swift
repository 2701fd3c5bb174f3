import CKernels
import Operations

extension BatchNorm.Sums {
  func lowering(_ context: LoweringContext) -> Lowering {
    let pieces = context.pieces ?? Pieces(context.inputs[0].shape, elements: elementGrain)
    return Lowering(workspace: Workspace(shared: pieces.rows.count * 2 * context.inputs[0].shape.channels * 8)) {
      phases($0, pieces)
    }
  }

  private func phases(_ operands: Operands, _ pieces: Pieces) -> [Phase] {
    let source = dms_source(
      upstream: operands.inputs[0], x: operands.inputs[1], coefficients: operands.inputs[2], relu: relu)
    let norm = source.norm
    let (weightGradient, biasGradient) = (operands.outputs[0].floats, operands.outputs[1].floats)
    let slopes = operands.outputs[2].floats
    let partial = operands.workspace.assumingMemoryBound(to: Double.self)
    let shape = operands.inputs[0].shape
    let (c, across, parts) = (shape.channels, pieces.channels.count, pieces.rows.count)
    return [
      Phase(chunks: pieces.count) { chunk, _ in
        let (rows, span) = pieces[chunk]
        let sums = partial + chunk / across * 2 * c + span.lowerBound
        withUnsafePointer(to: source) {
          dms_gradient_sums($0, rows.lowerBound, rows.count, span.lowerBound, span.count, sums, sums + c)
        }
      },
      Phase.ranges(c, grain: Tuning.Elements.joined) { range in
        for k in range {
          var (sum, product) = (0.0, 0.0)
          for part in 0..<parts {
            sum += partial[part * 2 * c + k]
            product += partial[(part * 2 + 1) * c + k]
          }
          weightGradient[k] = Float(product)
          biasGradient[k] = Float(sum)
          let factor = -Double(norm.scale[k]) / Double(shape.rows)
          slopes[k] = Float(factor * Double(norm.inverse[k]) * product)
          slopes[c + k] = Float(factor * sum)
        }
      },
    ]
  }
}
