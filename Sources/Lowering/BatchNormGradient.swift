import CKernels
import Operations

extension BatchNorm.Sums {
  func lowering(_ context: LoweringContext, _ place: StepPlace?) -> Lowering {
    let channels = context.inputs[0].shape.channels
    let pieces = context.pieces ?? Pieces(context.inputs[0].shape, elements: elementGrain)
    return Lowering(workspace: Workspace(shared: pieces.rows.count * 2 * channels * 8)) { operands in
      phases(operands, pieces, operands.workspace.assumingMemoryBound(to: Double.self), place)
    }
  }

  private func phases(
    _ operands: Operands, _ pieces: Pieces, _ partial: UnsafeMutablePointer<Double>, _ place: StepPlace?
  ) -> [Phase] {
    let source = dms_source(
      upstream: operands.inputs[0], x: operands.inputs[1], coefficients: operands.inputs[2], relu: relu)
    let norm = source.norm
    let (weightGradient, biasGradient) = (operands.outputs[0].floats, operands.outputs[1].floats)
    let slopes = operands.outputs[2].floats
    let shape = operands.inputs[0].shape
    let (c, across, parts) = (shape.channels, pieces.channels.count, pieces.rows.count)
    let rows = Double(stepRows ?? shape.rows)
    let summing = Phase(chunks: pieces.count) { chunk, _ in
      let (rows, span) = pieces[chunk]
      let sums = partial + chunk / across * 2 * c + span.lowerBound
      withUnsafePointer(to: source) {
        dms_gradient_sums($0, rows.lowerBound, rows.count, span.lowerBound, span.count, sums, sums + c)
      }
    }
    func joining(_ body: @escaping (_ channel: Int) -> Void) -> Phase {
      Phase.ranges(c, grain: Tuning.Elements.joined) { range in for k in range { body(k) } }
    }
    /// This micro-batch's sums of channel `k`, which are its gradients of bias and weight.
    func own(_ k: Int) -> (sum: Double, product: Double) {
      var (sum, product) = (0.0, 0.0)
      for part in 0..<parts {
        sum += partial[part * 2 * c + k]
        product += partial[(part * 2 + 1) * c + k]
      }
      weightGradient[k] = Float(product)
      biasGradient[k] = Float(sum)
      return (sum, product)
    }
    func setSlopes(_ k: Int, _ sum: Double, _ product: Double) {
      let factor = -Double(norm.scale[k]) / rows
      slopes[k] = Float(factor * Double(norm.inverse[k]) * product)
      slopes[c + k] = Float(factor * sum)
    }
    guard stepRows != nil, let place else {
      return [
        summing,
        joining { k in
          let (sum, product) = own(k)
          setSlopes(k, sum, product)
        },
      ]
    }
    return [
      summing,
      joining { k in
        let row = place.row(2 * c)
        (row[k], row[c + k]) = own(k)
      },
      .meeting(2 * c),
      joining { k in setSlopes(k, place.sum(2 * c) { $0[k] }, place.sum(2 * c) { $0[c + k] }) },
    ]
  }
}
