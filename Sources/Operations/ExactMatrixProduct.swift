import CKernels
import Graphs

/// Products of matrices in double precision: target = scale * left * right for each matrix of a batch, with rests.
struct ExactMatrixProduct {
  let extents: MatrixProduct.Extents
  /// Rows of one chunk.
  let grain: Int
  let transposeRight: Bool
  let scale: Double

  /// Columns in whole vectors.
  private var padded: Int { Tiles.padded(extents.columns) }

  var workspace: Workspace {
    Workspace(
      shared: extents.batch * extents.depth * padded * 8,
      scratch: min(grain, extents.rows) * (extents.depth + padded) * 8)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (left, right, target) = (operands.inputs[0].values, operands.inputs[1].values, operands.outputs[0].values)
    let packed = operands.workspace.assumingMemoryBound(to: Double.self)
    let (rows, columns, depth, padded) = (extents.rows, extents.columns, extents.depth, padded)
    let (lanes, across) = (dms_lanes(), (rows + grain - 1) / grain)
    return [
      // Vectors of columns, one below the other, as `dms_exact_pack` lays them out.
      Phase(chunks: extents.batch * padded / lanes) { [transposeRight] panel, _ in
        let matrix = panel * lanes / padded * depth * columns
        let to = packed + panel * lanes * depth
        for lane in 0..<lanes {
          let column = panel * lanes % padded + lane
          for k in 0..<depth {
            let from = matrix + (transposeRight ? column * depth + k : k * columns + column)
            to[k * lanes + lane] = column < columns ? right[from] : 0
          }
        }
      },
      Phase(chunks: extents.batch * across) { [scale, grain] chunk, scratch in
        let (matrix, first) = (chunk / across, chunk % across * grain)
        let count = min(grain, rows - first)
        let start = matrix * rows + first
        let loaded = scratch.assumingMemoryBound(to: Double.self)
        let sums = loaded + count * depth
        for i in 0..<count * depth { loaded[i] = left[start * depth + i] }
        dms_exact_product(loaded, packed + matrix * depth * padded, count, columns, depth, sums, padded)
        for row in 0..<count {
          for k in 0..<columns { target[(start + row) * columns + k] = scale * sums[row * padded + k] }
        }
      },
    ]
  }
}
