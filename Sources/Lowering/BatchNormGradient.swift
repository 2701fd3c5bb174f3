import CKernels
import Operations

extension BatchNorm.Sums {
  func lowering(_ context: LoweringContext, _ peers: (any Peers)?) -> Lowering {
    let channels = context.inputs[0].shape.channels
    let pieces = context.pieces ?? Pieces(context.inputs[0].shape, elements: elementGrain)
    let partial = pieces.rows.count * 2 * channels
    let table = RankTable(columns: stepRows == nil ? 0 : 2 * channels, peers)
    return Lowering(workspace: Workspace(shared: (partial + table.count) * 8)) { operands in
      let workspace = operands.workspace.assumingMemoryBound(to: Double.self)
      return phases(operands, pieces, workspace, table, workspace + partial)
    }
  }

  private func phases(
    _ operands: Operands, _ pieces: Pieces, _ partial: UnsafeMutablePointer<Double>, _ table: RankTable,
    _ values: UnsafeMutablePointer<Double>
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
    /// This rank's sums of channel `k`, which are its gradients of bias and weight.
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
    guard stepRows != nil else {
      return [
        summing,
        joining { k in
          let (sum, product) = own(k)
          setSlopes(k, sum, product)
        },
      ]
    }
    let row = table.own(values)
    return [
      summing,
      joining { (row[$0], row[c + $0]) = own($0) },
      Phase(chunks: 1) { _, _ in table.gather(values) },
      joining { k in setSlopes(k, table.sum(values) { $0[k] }, table.sum(values) { $0[c + k] }) },
    ]
  }
}
