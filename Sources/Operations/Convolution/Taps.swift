import CKernels
import Graphs

/// The matrix form of a convolution: one row an output position, its columns the taps (row, column, channel) under it.
struct Taps {
  /// Input map, output map, kernel, stride and padding.
  let geometry: dms_geometry
  let images, rows, columns, inputs, outputs: Int
  /// Whether the map itself is the matrix: a 1x1 kernel, stride 1, no padding.
  let isPlain: Bool

  init(map: Shape, weight: Shape, stride: Int, padding: Int) {
    let height = (map[1] + 2 * padding - weight[0]) / stride + 1
    let width = (map[2] + 2 * padding - weight[1]) / stride + 1
    geometry = dms_geometry(
      height: map[1], width: map[2], channels: map[3], out_height: height, out_width: width, kernel_height: weight[0],
      kernel_width: weight[1], stride: stride, padding: padding)
    images = map[0]
    rows = map[0] * height * width
    columns = weight[0] * weight[1] * weight[2]
    (inputs, outputs) = (weight[2], weight[3])
    isPlain = weight[0] == 1 && weight[1] == 1 && stride == 1 && padding == 0
  }

  /// Floats of scratch memory that `matrix` wants for `count` rows.
  func gathered(_ count: Int) -> Int { isPlain ? 0 : (count * columns + 15) / 16 * 16 }

  /// A source whose row 0 is the matrix's row `rows.lowerBound`: the map itself, or rows gathered into `scratch`.
  func matrix(_ map: dms_source, _ rows: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> (dms_source, Range<Int>)
  {
    if isPlain { return (map, rows) }
    return (dms_source(gather(map, rows, scratch), stride: columns), 0..<rows.count)
  }

  /// The matrix's rows in memory, row after row.
  func gather(
    _ map: dms_source, _ rows: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    withUnsafePointer(to: geometry) { geometry in
      withUnsafePointer(to: map) { dms_gather_taps(geometry, $0, rows.lowerBound, rows.count, scratch) }
    }
    return UnsafePointer(scratch)
  }
}

/// Rows and columns of a product in pieces that fit a core's own cache and suffice for several threads.
func productPieces(rows: Int, columns: Int, gathered: Int = 0) -> Pieces {
  let most = max(24, min(384, 131_072 / columns, gathered > 0 ? 196_608 / gathered : 384))
  var count = (rows + most - 1) / most
  // Eight pieces or more, while they have rows enough for the micro-kernel; then columns are cut as well.
  while count % 8 != 0, count < 16, rows / (count + 1) >= 48 { count += 1 }
  var across = 1
  while count * across < 8, columns / (2 * across) >= 128 { across *= 2 }
  return Pieces(rows: rows, in: count, channels: columns, in: across, unit: dms_panel())
}

/// The map as a product: of the matrix and the weight, or, for a 1x1 kernel, of the gradient and the weight transposed.
struct TapProduct: MapForm {
  var name: String { "product" }
  let taps: Taps
  let isTurned: Bool

  private var depth: Int { isTurned ? taps.outputs : taps.columns }
  private var columns: Int { isTurned ? taps.columns : taps.outputs }

  var pieces: Pieces { productPieces(rows: taps.rows, columns: columns, gathered: taps.isPlain ? 0 : depth) }

  private var mostRows: Int { pieces.rows.map(\.count).max() ?? 0 }

  var workspace: Workspace {
    let rows = mostRows
    return Workspace(
      shared: Packed.count(depth, columns) * 4,
      scratch: (taps.gathered(rows) + Packed.scratch(rows: rows)) * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let pieces = pieces
    let packed = Packed(values: workspace, depth: depth, columns: columns)
    let beyond = taps.gathered(mostRows)
    return [
      packed.packing(dms_matrix(values: weight, stride: taps.outputs, transposed: isTurned ? 1 : 0)),
      Phase(chunks: pieces.count) { chunk, scratch in
        let (rows, channels) = pieces[chunk]
        let scratch = scratch.assumingMemoryBound(to: Float.self)
        let (source, range) = taps.matrix(map, rows, scratch)
        let next = taps.isPlain && chunk + 1 < pieces.count ? pieces[chunk + 1].rows : rows
        packed.multiply(
          source, range, channels, adds: adds, into: target + rows.lowerBound * columns, scratch + beyond,
          next: next == rows ? 0..<0 : next)
      },
    ]
  }
}

/// The gradient of a map where taps overlap or skip: products of gradient and weight, added to where the taps came from. A piece
/// is a whole image.
struct ScatteredTaps: MapForm {
  var name: String { "product, scattered" }
  let taps: Taps

  private var positions: Int { taps.rows / taps.images }
  private var grain: Int { max(24, min(192, positions, 131_072 / taps.columns)) }

  var pieces: Pieces {
    let pixels = taps.geometry.height * taps.geometry.width
    return Pieces(rows: taps.images * pixels, in: taps.images, channels: taps.inputs)
  }

  var workspace: Workspace {
    Workspace(
      shared: Packed.count(taps.outputs, taps.columns) * 4,
      scratch: (taps.gathered(grain) + Packed.scratch(rows: grain)) * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let packed = Packed(values: workspace, depth: taps.outputs, columns: taps.columns)
    let (grain, positions) = (grain, positions)
    let extent = taps.geometry.height * taps.geometry.width * taps.inputs
    return [
      packed.packing(dms_matrix(values: weight, stride: taps.outputs, transposed: 1)),
      Phase(chunks: taps.images) { image, scratch in
        let products = scratch.assumingMemoryBound(to: Float.self)
        if !adds { (target + image * extent).update(repeating: 0, count: extent) }
        for first in stride(from: image * positions, to: (image + 1) * positions, by: grain) {
          let end = (image + 1) * positions
          let rows = first..<min(first + grain, end)
          packed.multiply(
            map, rows, 0..<taps.columns, adds: false, into: products, products + taps.gathered(grain),
            next: rows.upperBound..<min(rows.upperBound + grain, end))
          withUnsafePointer(to: taps.geometry) { dms_scatter_taps($0, products, first, rows.count, target) }
        }
      },
    ]
  }
}

/// The gradient of a weight: the matrix, transposed, times the arriving gradient.
///
/// The matrix's columns are cut into blocks. Where the gradient is small it is packed once for all of them; otherwise rows are cut
/// into sections, each of which packs its own, and whose sums are joined in order.
struct TapWeightGradient: WeightForm {
  let taps: Taps
  private let blocks: Pieces
  private let isPackedOnce: Bool

  init(taps: Taps) {
    self.taps = taps
    isPackedOnce = taps.isPlain && taps.rows * taps.outputs <= 2 << 20
    var across = (taps.columns * taps.outputs - 1) / (isPackedOnce ? 131_072 : 262_144) + 1
    let sections = isPackedOnce ? 1 : max(1, min((8 + across - 1) / across, taps.rows / 256))
    while across * sections < 8, taps.columns / (across + 1) >= 24 { across += 1 }
    blocks = Pieces(rows: taps.rows, in: sections, channels: taps.columns, in: across, unit: dms_lanes())
  }

  var name: String { "product" }

  private var sections: Int { blocks.rows.count }
  private var count: Int { taps.columns * taps.outputs }
  /// Floats from row to row of a loaded block: not a power of two, whose rows would share few lines of the cache.
  private var step: Int { (blocks.channels.map(\.count).max() ?? 0) / 16 * 16 + 32 }
  private var right: Int { Packed.count(isPackedOnce ? taps.rows : Int(DMS_RUN), taps.outputs) }

  var workspace: Workspace {
    let run = Int(DMS_RUN)
    return Workspace(
      shared: ((sections > 1 ? sections * count : 0) + (isPackedOnce ? right : 0)) * 4,
      scratch: (run * step + (isPackedOnce ? 0 : right) + taps.gathered(run)) * 4)
  }

  func phases(
    _ map: dms_source, arriving: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let (sections, count, outputs, blocks) = (sections, count, taps.outputs, blocks)
    let partial = sections > 1 ? workspace : target
    let (run, step, isPackedOnce) = (Int(DMS_RUN), step, isPackedOnce)
    let width = Packed.count(run, outputs) / run
    let packing = Phase.ranges(taps.rows, grain: run) { rows in
      arriving.loadRight(rows, workspace + rows.lowerBound * width)
    }
    let products = Phase(chunks: blocks.count) { chunk, scratch in
      let (rows, columns) = blocks[chunk]
      let place = partial + chunk / blocks.channels.count * count + columns.lowerBound * outputs
      let loaded = scratch.assumingMemoryBound(to: Float.self)
      let gathered = loaded + run * step
      let packed = gathered + taps.gathered(run)
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: run) {
        let part = first..<min(first + run, rows.upperBound)
        if !isPackedOnce { arriving.loadRight(part, packed) }
        let next = part.upperBound..<min(part.upperBound + run, rows.upperBound)
        var ahead = map.ahead(taps.isPlain ? next : 0..<0, columns)
        var left = dms_left(values: loaded, stride: step, transposed: 1)
        if taps.isPlain {
          map.load(part, columns, loaded, step: step)
        } else {
          left.values = taps.gather(map, part, gathered) + columns.lowerBound
          left.stride = taps.columns
        }
        var right =
          isPackedOnce
          ? dms_right(values: workspace, depth: taps.rows, columns: outputs, first: first)
          : dms_right(values: packed, depth: part.count, columns: outputs, first: 0)
        dms_multiply(
          &left, &right, columns.count, 0, outputs, part.count,
          first > rows.lowerBound ? 1 : 0, place, outputs, &ahead)
      }
    }
    if isPackedOnce { return [packing, products] }
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
