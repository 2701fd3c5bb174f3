import CKernels
import Operations

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

  /// Floats of scratch memory that `matrix` needs for `count` rows.
  func im2colCount(_ count: Int) -> Int {
    isPlain ? 0 : (count * columns + Tuning.line - 1) / Tuning.line * Tuning.line
  }

  /// A source whose row 0 is the matrix's row `rows.lowerBound`: the map itself, or rows copied to `scratch` by im2col.
  func matrix(_ map: dms_source, _ rows: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> (dms_source, Range<Int>)
  {
    if isPlain { return (map, rows) }
    return (dms_source(im2col(map, rows, scratch), stride: columns), 0..<rows.count)
  }

  /// The matrix's rows in memory, row after row.
  func im2col(
    _ map: dms_source, _ rows: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    withUnsafePointer(to: geometry) { geometry in
      withUnsafePointer(to: map) { dms_im2col(geometry, $0, rows.lowerBound, rows.count, scratch) }
    }
    return UnsafePointer(scratch)
  }
}

/// Rows and columns of a product in pieces of at most about `most` rows, which fit a core's own cache and suffice for several
/// threads.
func productPieces(rows: Int, columns: Int, most: Int, im2col: Int = 0) -> Pieces {
  let tuning = Tuning.Products.self
  let most = max(
    tuning.leastRows, min(most, Tuning.secondCache / columns, im2col > 0 ? tuning.im2col / im2col : most))
  var count = (rows + most - 1) / most
  // Multiples of eight, which threads share evenly, while they have rows enough for the micro-kernel; then columns are cut.
  while count % Tuning.chunks != 0, count < tuning.mostPieces, rows / (count + 1) >= tuning.leastSharedRows {
    count += 1
  }
  var across = 1
  while count * across < Tuning.chunks, columns / (2 * across) >= tuning.leastSharedColumns { across *= 2 }
  return Pieces(rows: rows, in: count, channels: columns, in: across, unit: Tuning.nr)
}

/// The map as a product: of the matrix and the weight, or, for a 1x1 kernel, of the gradient and the weight transposed.
struct TapProduct: MapForm {
  var name: String { "product" }
  let taps: Taps
  let isTransposed: Bool

  private var depth: Int { isTransposed ? taps.outputs : taps.columns }
  private var columns: Int { isTransposed ? taps.columns : taps.outputs }

  var pieces: Pieces {
    productPieces(
      rows: taps.rows, columns: columns, most: Tuning.mc, im2col: taps.isPlain ? 0 : depth)
  }

  private var rowsAtOnce: Int { pieces.rows.map(\.count).max() ?? 0 }

  var workspace: Workspace {
    let rows = rowsAtOnce
    return Workspace(
      shared: Packed.count(depth, columns) * 4,
      scratch: (taps.im2colCount(rows) + Packed.scratch(rows: rows)) * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, next: [UnsafeMutablePointer<Float>]
  ) -> [Phase] {
    let pieces = pieces
    let packed = Packed(values: workspace, depth: depth, columns: columns)
    let beyond = taps.im2colCount(rowsAtOnce)
    return [
      packed.packing(dms_matrix(values: weight, stride: taps.outputs, transposed: isTransposed ? 1 : 0)),
      Phase(chunks: pieces.count) { chunk, scratch in
        let (rows, channels) = pieces[chunk]
        let scratch = scratch.assumingMemoryBound(to: Float.self)
        let (source, range) = taps.matrix(map, rows, scratch)
        var prefetch = dms_prefetch()
        for values in next { prefetch.add(values, stride: columns, rows, channels) }
        if chunk + 1 < pieces.count {
          let following = pieces[chunk + 1]
          if adds { prefetch.add(target, stride: columns, following.rows, following.channels) }
          if taps.isPlain, following.rows != rows { map.add(to: &prefetch, following.rows, packed.first) }
        }
        packed.multiply(
          source, range, channels, adds: adds, into: target + rows.lowerBound * columns, scratch + beyond,
          prefetch: prefetch)
      },
    ]
  }
}

/// The gradient of a map where taps overlap or leave pixels out: products of gradient and weight, added to the map by col2im. A piece
/// is a whole image.
struct Col2imProduct: MapForm {
  var name: String { "product, col2im" }
  let taps: Taps

  private var positions: Int { taps.rows / taps.images }
  private var grain: Int {
    max(Tuning.Products.leastRows, min(Tuning.Products.col2imRows, positions, Tuning.secondCache / taps.columns))
  }

  var pieces: Pieces {
    let pixels = taps.geometry.height * taps.geometry.width
    return Pieces(rows: taps.images * pixels, in: taps.images, channels: taps.inputs)
  }

  var workspace: Workspace {
    Workspace(
      shared: Packed.count(taps.outputs, taps.columns) * 4,
      scratch: (taps.im2colCount(grain) + Packed.scratch(rows: grain)) * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, next: [UnsafeMutablePointer<Float>]
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
          var prefetch = dms_prefetch()
          map.add(to: &prefetch, rows.upperBound..<min(rows.upperBound + grain, end), packed.first)
          packed.multiply(
            map, rows, 0..<taps.columns, adds: false, into: products, products + taps.im2colCount(grain),
            prefetch: prefetch)
          withUnsafePointer(to: taps.geometry) { dms_col2im($0, products, first, rows.count, target) }
        }
      },
    ]
  }
}
