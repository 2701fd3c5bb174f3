import Operations

extension MatrixProduct {
  /// The product of one chunk: a piece of a tall left side, or one matrix of the batch.
  private func chunk(_ e: Extents, rows: Int) -> Product {
    Product(
      rows: rows, columns: e.columns, depth: e.depth, transposeLeft: transposeLeft, transposeRight: transposeRight,
      scale: scale)
  }

  private func isTall(_ e: Extents) -> Bool { e.batch == 1 && !transposeLeft }

  func lowering(_ context: LoweringContext) -> Lowering {
    guard let e = extents(context.inputs[0].shape, context.inputs[1].shape) else {
      preconditionFailure("the shape rule let through matrices that do not fit")
    }
    let grain = Tuning.MatrixProducts.rows
    let heights = isTall(e) ? [min(grain, e.rows), max(1, e.rows % grain)] : [e.rows]
    let scratch = heights.map { chunk(e, rows: $0).scratch }.max() ?? 0
    return Lowering(workspace: Workspace(scratch: scratch)) { phases($0, e) }
  }

  private func phases(_ operands: Operands, _ e: Extents) -> [Phase] {
    let (left, right, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
    if isTall(e) {
      let grain = Tuning.MatrixProducts.rows
      return [
        Phase(chunks: (e.rows + grain - 1) / grain) { [self] index, scratch in
          let first = index * grain
          chunk(e, rows: min(grain, e.rows - first))(
            left + first * e.depth, right, target + first * e.columns, scratch)
        }
      ]
    }
    let product = chunk(e, rows: e.rows)
    return [
      Phase(chunks: e.batch) { index, scratch in
        product(
          left + index * e.rows * e.depth, right + index * e.depth * e.columns, target + index * e.rows * e.columns,
          scratch)
      }
    ]
  }
}
