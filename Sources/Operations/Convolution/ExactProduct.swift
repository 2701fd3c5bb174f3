import CKernels
import Graphs

/// A map as a product of the matrix and the weight, summed in double precision.
///
/// Rounding moves an activation across ReLU's corner now and then, and with it gradients. Where a convolution is small, or so narrow
/// that vectors stay half empty anyway, the sums are worth more than the time.
struct ExactProduct: MapForm {
  let name = "exact product"
  private let taps: Taps

  /// Nil where the product is to be fast.
  init?(_ taps: Taps, _ algorithm: ConvolutionAlgorithm) {
    let isChosen = algorithm == .exact || algorithm == .automatic && ConvolutionAlgorithm.isSmall(taps)
    guard isChosen || taps.outputs <= 32 else { return nil }
    self.taps = taps
  }

  /// Arithmetic, not memory, takes the time here, so pieces need not be small. Where they begin decides how batch moments round.
  var pieces: Pieces { productPieces(rows: taps.rows, columns: taps.outputs, most: 384, gathered: taps.columns) }

  var workspace: Workspace {
    Workspace(shared: 0, scratch: (pieces.rows.map(\.count).max() ?? 0) * taps.columns * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, companions: [UnsafeMutablePointer<Float>]
  ) -> [Phase] {
    precondition(!adds, "an exact product is not added to what is there")
    let (pieces, taps) = (pieces, taps)
    return [
      Phase(chunks: pieces.count) { chunk, scratch in
        let (rows, channels) = pieces[chunk]
        let matrix = taps.gather(map, rows, scratch.assumingMemoryBound(to: Float.self))
        dms_exact_product(
          matrix, weight, rows.count, taps.outputs, channels.lowerBound, channels.count, taps.columns,
          target + rows.lowerBound * taps.outputs)
      }
    ]
  }
}
