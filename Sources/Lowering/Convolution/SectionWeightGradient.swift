import CKernels
import Operations

/// The gradient of a small weight: the matrix, transposed, times the upstream gradient, a section of their rows a chunk.
///
/// A chunk loads both sides once, some rows at a time, and keeps its sums in a core's own cache; the sums of sections are added in
/// order.
struct SectionWeightGradient: WeightForm {
  let name = "product"
  private let taps: Taps
  private let sections: Pieces
  private let adds: Bool

  /// Nil where the weight is large.
  init?(_ taps: Taps, adds: Bool) {
    guard taps.columns * taps.outputs <= Tuning.WeightGradients.smallWeight else { return nil }
    (self.taps, self.adds) = (taps, adds)
    sections = Pieces(
      rows: taps.rows, in: max(1, min(Tuning.chunks, taps.rows / Tuning.WeightGradients.sectionRows)), channels: 1)
  }

  private var count: Int { taps.columns * taps.outputs }
  /// Whether sections' sums are kept apart from the target.
  private var isJoined: Bool { sections.count > 1 || adds }
  /// Rows that are loaded at once.
  private var rowsAtOnce: Int {
    let most = Tuning.WeightGradients.loaded / (taps.columns + taps.outputs) / Tuning.line * Tuning.line
    return max(Tuning.WeightGradients.leastRows, min(Tuning.kc, most))
  }
  /// Floats from row to row of the loaded matrix.
  private var step: Int { Tiles.apart(taps.columns) }

  var workspace: Workspace {
    Workspace(
      shared: isJoined ? sections.count * count * 4 : 0,
      scratch: (Packed.count(rowsAtOnce, taps.outputs) + rowsAtOnce * step) * 4)
  }

  func phases(
    _ map: dms_source, upstream: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let (sections, count, outputs, columns, step) = (sections, count, taps.outputs, taps.columns, step)
    let rowsAtOnce = rowsAtOnce
    let partial = isJoined ? workspace : target
    let products = Phase(chunks: sections.count) { chunk, scratch in
      let rows = sections[chunk].rows
      let matrix = scratch.assumingMemoryBound(to: Float.self)
      let packed = matrix + rowsAtOnce * step
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: rowsAtOnce) {
        let part = first..<min(first + rowsAtOnce, rows.upperBound)
        let next = part.upperBound..<min(part.upperBound + rowsAtOnce, rows.upperBound)
        upstream.loadRight(part, packed)
        var prefetch = dms_prefetch()
        upstream.add(to: &prefetch, next, 0..<outputs)
        if taps.isPlain {
          map.load(part, 0..<columns, matrix, step: step)
          map.add(to: &prefetch, next, 0..<columns)
        } else {
          _ = taps.im2col(map, part, matrix)
        }
        var left = dms_left(values: matrix, stride: taps.isPlain ? step : columns, transposed: 1)
        var right = dms_right(values: packed, depth: part.count, columns: outputs, first: 0)
        dms_multiply(
          &left, &right, columns, 0, outputs, part.count, first > rows.lowerBound ? 1 : 0,
          partial + chunk * count, outputs, &prefetch)
      }
    }
    guard isJoined else { return [products] }
    let joining = Phase.ranges(count, grain: elementGrain) { range in
      for i in range {
        var sum = partial[i]
        for section in 1..<sections.count { sum += partial[section * count + i] }
        target[i] = adds ? target[i] + sum : sum
      }
    }
    return [products, joining]
  }
}
