import CKernels
import Graphs

/// The gradient of a weight: the matrix, transposed, times the arriving gradient.
///
/// The matrix's columns are cut into blocks, and its rows into sections, whose sums are joined in order.
struct TapWeightGradient: WeightForm {
  let name = "product"
  private let taps: Taps
  private let blocks: Pieces

  init(_ taps: Taps) {
    self.taps = taps
    var across = (taps.columns * taps.outputs - 1) / 262_144 + 1
    let sections = max(1, min((8 + across - 1) / across, taps.rows / 256))
    while across * sections < 8, taps.columns / (across + 1) >= 24 { across += 1 }
    blocks = Pieces(rows: taps.rows, in: sections, channels: taps.columns, in: across, unit: dms_lanes())
  }

  private static let run = Int(DMS_RUN)
  private var sections: Int { blocks.rows.count }
  private var count: Int { taps.columns * taps.outputs }

  var workspace: Workspace {
    Workspace(
      shared: sections > 1 ? sections * count * 4 : 0,
      scratch: (Packed.count(Self.run, taps.outputs) + taps.gathered(Self.run)) * 4)
  }

  func phases(
    _ map: dms_source, arriving: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let (sections, count, outputs, blocks, run) = (sections, count, taps.outputs, blocks, Self.run)
    let partial = sections > 1 ? workspace : target
    let products = Phase(chunks: blocks.count) { chunk, scratch in
      let (rows, columns) = blocks[chunk]
      let place = partial + chunk / blocks.channels.count * count + columns.lowerBound * outputs
      let gathered = scratch.assumingMemoryBound(to: Float.self)
      let packed = gathered + taps.gathered(run)
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: run) {
        let part = first..<min(first + run, rows.upperBound)
        arriving.loadRight(part, packed)
        let matrix = taps.gather(map, part, gathered)
        var left = dms_left(values: matrix + columns.lowerBound, stride: taps.columns, transposed: 1)
        var right = dms_right(values: packed, depth: part.count, columns: outputs, first: 0)
        dms_multiply(
          &left, &right, columns.count, 0, outputs, part.count, first > rows.lowerBound ? 1 : 0, place, outputs, nil)
      }
    }
    guard sections > 1 else { return [products] }
    let joining = Phase.ranges(count, grain: elementGrain) { range in
      for i in range {
        var sum = partial[i]
        for section in 1..<sections { sum += partial[section * count + i] }
        target[i] = sum
      }
    }
    return [products, joining]
  }
}
