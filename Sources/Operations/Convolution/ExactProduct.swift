import CKernels
import Graphs

/// A map as a product of the matrix and the weight, in double precision.
///
/// Rounding moves an activation across ReLU's corner now and then, and with it gradients. Where there is little to compute, exact sums
/// are worth the time. Maps carry rests, which what follows keeps, so that a network of such convolutions computes forward in double
/// precision.
struct ExactProduct: MapForm {
  let name = "exact product"
  private let taps: Taps

  /// Nil where the product is to be fast.
  init?(_ taps: Taps, _ algorithm: ConvolutionAlgorithm) {
    guard algorithm == .exact || algorithm == .automatic && ConvolutionAlgorithm.isSmall(taps) else { return nil }
    self.taps = taps
  }

  var pieces: Pieces { productPieces(rows: taps.rows, columns: taps.outputs, most: 48) }

  private var rowsAtOnce: Int { pieces.rows.map(\.count).max() ?? 0 }
  private var pixels: Int { taps.images * taps.geometry.height * taps.geometry.width }
  /// Outputs in whole vectors.
  private var padded: Int { Tiles.padded(taps.outputs) }
  /// Doubles of the packed weight, and of the map.
  private var parts: (weight: Int, map: Int) { (taps.columns * padded, pixels * taps.inputs) }

  var workspace: Workspace {
    Workspace(
      shared: (parts.weight + parts.map) * 8,
      scratch: rowsAtOnce * ((taps.isPlain ? 0 : taps.columns) + padded) * 8)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, companions: [UnsafeMutablePointer<Float>]
  ) -> [Phase] {
    precondition(!adds, "an exact product is not added to what is there")
    let (pieces, taps, padded, rowsAtOnce) = (pieces, taps, padded, rowsAtOnce)
    let packed = UnsafeMutableRawPointer(workspace).assumingMemoryBound(to: Double.self)
    let loaded = packed + parts.weight
    let rests = target + taps.rows * taps.outputs
    return [
      Phase.ranges(taps.outputs, grain: dms_lanes()) { columns in
        dms_exact_pack(weight, taps.columns, taps.outputs, columns.lowerBound, columns.count, packed)
      },
      Phase.ranges(pixels, grain: 64) { rows in
        withUnsafePointer(to: map) {
          dms_exact_load($0, rows.lowerBound, rows.count, 0, taps.inputs, loaded)
        }
      },
      Phase(chunks: pieces.count) { chunk, scratch in
        let (rows, channels) = pieces[chunk]
        let sums = scratch.assumingMemoryBound(to: Double.self)
        let matrix = taps.gather(loaded, rows, sums + rowsAtOnce * padded)
        dms_exact_product(
          matrix, packed + channels.lowerBound * taps.columns, rows.count, channels.count, taps.columns, sums, padded)
        let place = rows.lowerBound * taps.outputs + channels.lowerBound
        dms_exact_store(
          sums, rows.count, channels.count, padded, target + place, rests + place, taps.outputs)
      },
    ]
  }
}
