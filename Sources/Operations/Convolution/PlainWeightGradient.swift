import CKernels
import Graphs

/// The gradient of the weight of a 1x1 convolution of stride 1: the map, transposed, times the arriving gradient.
///
/// Of the two the one with fewer channels is packed once; the other's channels are cut into blocks, each loaded only where it is
/// multiplied. Where that is the gradient, a block is what is wanted turned around, and is transposed at the end.
struct PlainWeightGradient: WeightForm {
  let name = "product"
  private let rows, inputs, outputs: Int
  private let blocks: Pieces

  /// Nil where the map is not the matrix.
  init?(_ taps: Taps) {
    guard taps.isPlain else { return nil }
    (rows, inputs, outputs) = (taps.rows, taps.inputs, taps.outputs)
    let wide = max(inputs, outputs)
    var across = (inputs * outputs - 1) / 131_072 + 1
    while across < 8, wide / (across + 1) >= 24 { across += 1 }
    blocks = Pieces(rows: rows, in: 1, channels: wide, in: across, unit: dms_lanes())
  }

  private static let run = Int(DMS_RUN)
  private var isTurned: Bool { outputs > inputs }
  private var narrow: Int { min(inputs, outputs) }
  private var width: Int { blocks.channels.map(\.count).max() ?? 0 }
  /// Floats from row to row of a loaded block: not a power of two, whose rows would share few lines of the cache.
  private var step: Int { width / 16 * 16 + 32 }
  /// Rows that are packed at a time: what stays in the shared cache.
  private var section: Int { min(rows, max(Self.run, (2 << 20) / narrow / Self.run * Self.run)) }

  var workspace: Workspace {
    Workspace(
      shared: (Packed.count(section, narrow) + (isTurned ? inputs * outputs : 0)) * 4, scratch: Self.run * step * 4)
  }

  func phases(
    _ map: dms_source, arriving: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let (blocks, isTurned, narrow, step) = (blocks, isTurned, narrow, step)
    let (wide, packed) = isTurned ? (arriving, map) : (map, arriving)
    let products = isTurned ? workspace + Packed.count(section, narrow) : target
    return stride(from: 0, to: rows, by: section).flatMap { start in
      let section = start..<min(start + section, rows)
      return [
        Phase.ranges(section.count, grain: Self.run) { part in
          packed.loadRight(
            start + part.lowerBound..<start + part.upperBound, workspace + Packed.count(part.lowerBound, narrow))
        },
        Phase(chunks: blocks.count) { chunk, scratch in
          let block = blocks[chunk].channels
          let loaded = scratch.assumingMemoryBound(to: Float.self)
          for first in stride(from: start, to: section.upperBound, by: Self.run) {
            let part = first..<min(first + Self.run, section.upperBound)
            wide.load(part, block, loaded, step: step)
            var ahead = dms_ahead()
            wide.ask(&ahead, part.upperBound..<min(part.upperBound + Self.run, section.upperBound), block)
            var left = dms_left(values: loaded, stride: step, transposed: 1)
            var right = dms_right(values: workspace, depth: section.count, columns: narrow, first: first - start)
            dms_multiply(
              &left, &right, block.count, 0, narrow, part.count, first > 0 ? 1 : 0,
              products + block.lowerBound * narrow, narrow, &ahead)
          }
          if isTurned, section.upperBound == rows {
            dms_transpose(
              products + block.lowerBound * narrow, block.count, narrow, target + block.lowerBound, outputs)
          }
        },
      ]
    }
  }
}
