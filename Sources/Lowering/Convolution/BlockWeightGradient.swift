import CKernels
import Operations

/// The gradient of a large weight: the matrix, transposed, times the upstream gradient, a block of the weight a chunk.
///
/// Of the two the one with fewer columns is packed once; the other's columns are cut into blocks, each loaded only where it is
/// multiplied. Where that is the gradient, a block is what is wanted transposed, and is transposed back at the end. A matrix that is
/// not the map itself is made by im2col first.
struct BlockWeightGradient: WeightForm {
  let name = "product"
  private let taps: Taps
  private let blocks: Pieces
  private let adds: Bool

  init(_ taps: Taps, adds: Bool) {
    (self.taps, self.adds) = (taps, adds)
    let wide = max(taps.columns, taps.outputs)
    var across = (taps.columns * taps.outputs - 1) / Tuning.secondCache + 1
    while across < Tuning.chunks, wide / (across + 1) >= Tuning.WeightGradients.leastColumns { across += 1 }
    blocks = Pieces(rows: taps.rows, in: 1, channels: wide, in: across, unit: Tuning.lanes)
  }

  private var kc: Int { Tuning.kc }
  private var isTransposed: Bool { taps.outputs > taps.columns }
  private var narrow: Int { min(taps.columns, taps.outputs) }
  private var width: Int { blocks.channels.map(\.count).max() ?? 0 }
  /// Floats from row to row of a loaded block.
  private var step: Int { Tiles.apart(width) }
  /// Rows at a time: packed, and perhaps copied by im2col, they stay in the shared cache.
  private var section: Int {
    let most = min(
      Tuning.WeightGradients.packed / narrow, taps.isPlain ? .max : Tuning.WeightGradients.im2col / taps.columns)
    return min(taps.rows, max(kc, most / kc * kc))
  }
  /// Floats of the shared workspace: the packed side, an im2col matrix, products that are transposed or added at the end.
  private var parts: (packed: Int, im2col: Int, products: Int) {
    (Packed.count(section, narrow), taps.im2colCount(section), isTransposed || adds ? taps.columns * taps.outputs : 0)
  }

  var workspace: Workspace {
    let parts = parts
    return Workspace(shared: (parts.packed + parts.im2col + parts.products) * 4, scratch: kc * step * 4)
  }

  func phases(
    _ map: dms_source, upstream: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let (blocks, isTransposed, narrow, step, kc) = (blocks, isTransposed, narrow, step, kc)
    let (taps, outputs) = (taps, taps.outputs)
    let columns = workspace + parts.packed
    let products = isTransposed || adds ? columns + parts.im2col : target
    return stride(from: 0, to: taps.rows, by: section).flatMap { start in
      let section = start..<min(start + section, taps.rows)
      // Row 0 of an im2col matrix is the section's first.
      let matrix = taps.isPlain ? map : dms_source(columns, stride: taps.columns)
      let origin = taps.isPlain ? 0 : start
      let (wide, wideOrigin) = isTransposed ? (upstream, 0) : (matrix, origin)
      let (packed, packedOrigin) = isTransposed ? (matrix, origin) : (upstream, 0)
      let im2col = Phase.ranges(section.count, grain: Tuning.WeightGradients.im2colRows) { part in
        _ = taps.im2col(map, part.shifted(by: start), columns + part.lowerBound * taps.columns)
      }
      return (taps.isPlain ? [] : [im2col]) + [
        Phase.ranges(section.count, grain: kc) { part in
          packed.loadRight(
            part.shifted(by: start - packedOrigin), workspace + Packed.count(part.lowerBound, narrow))
        },
        Phase(chunks: blocks.count) { chunk, scratch in
          let block = blocks[chunk].channels
          let loaded = scratch.assumingMemoryBound(to: Float.self)
          for first in stride(from: 0, to: section.count, by: kc) {
            let part = first..<min(first + kc, section.count)
            let next = part.upperBound..<min(part.upperBound + kc, section.count)
            wide.load(part.shifted(by: start - wideOrigin), block, loaded, step: step)
            var prefetch = dms_prefetch()
            wide.add(to: &prefetch, next.shifted(by: start - wideOrigin), block)
            var left = dms_left(values: loaded, stride: step, transposed: 1)
            var right = dms_right(values: workspace, depth: section.count, columns: narrow, first: first)
            dms_multiply(
              &left, &right, block.count, 0, narrow, part.count, start + first > 0 ? 1 : 0,
              products + block.lowerBound * narrow, narrow, &prefetch)
          }
          guard section.upperBound == taps.rows else { return }
          let own = products + block.lowerBound * narrow
          if isTransposed {
            dms_transpose(own, block.count, narrow, target + block.lowerBound, outputs, adds ? 1 : 0)
          } else if adds {
            dms_add(target + block.lowerBound * narrow, own, block.count * narrow)
          }
        },
      ]
    }
  }
}

extension Range<Int> {
  /// The range `distance` further on.
  fileprivate func shifted(by distance: Int) -> Range<Int> { lowerBound + distance..<upperBound + distance }
}
