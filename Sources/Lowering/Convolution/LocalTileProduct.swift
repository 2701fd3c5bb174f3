import CKernels
import Operations

/// A map by tiles where the weight is small: a chunk transforms inputs, multiplies and transforms back for a few lines of tiles, all
/// in a core's own cache.
struct LocalTileProduct: MapForm {
  let name = "tiles, local"
  private let tiles: Tiles
  /// Whether the weight is used rotated and transposed.
  private let isRotated: Bool

  /// Nil where the weight is not small.
  init?(_ tiles: Tiles, isRotated: Bool) {
    guard tiles.inputs * tiles.outputs <= Tuning.Tiles.smallWeight else { return nil }
    (self.tiles, self.isRotated) = (tiles, isRotated)
  }

  private var inputs: Int { tiles.inputs }
  private var outputs: Int { tiles.outputs }
  private var ranges: [Range<Int>] {
    tiles.ranges(most: max(Tuning.Tiles.leastLocalTiles, Tuning.Tiles.local / (inputs + outputs)))
  }
  private var step: Int { Tiles.padded(outputs) }
  private var weightsApart: Int { Tiles.apart(Packed.count(inputs, outputs)) }

  var pieces: Pieces { Pieces(rows: ranges.map(tiles.rows), channels: [0..<outputs]) }

  /// Floats from element to element of the transformed inputs and of the products of `count` tiles.
  private func apart(_ count: Int) -> (inputs: Int, products: Int) {
    let kc = Tuning.kc
    return (Tiles.apart((inputs + kc - 1) / kc * kc * count), Tiles.apart(count * step))
  }

  var workspace: Workspace {
    let apart = apart((ranges.map(\.count).max() ?? 0) * tiles.across)
    return Workspace(
      shared: 36 * weightsApart * 4,
      scratch: (Tiles.patch(tiles.across, inputs) + 36 * (apart.inputs + apart.products)) * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, next: [UnsafeMutablePointer<Float>]
  ) -> [Phase] {
    let (ranges, patch) = (ranges, Tiles.patch(tiles.across, inputs))
    let kc = Tuning.kc
    let columns = Packed.count(1, outputs)
    return [
      Phase.ranges(inputs, grain: kc) { depth in
        tiles.transform(
          weight, isRotated: isRotated, depth, 0..<outputs, into: workspace + depth.lowerBound * columns,
          apart: weightsApart)
      },
      Phase(chunks: ranges.count) { chunk, scratch in
        let patches = scratch.assumingMemoryBound(to: Float.self)
        let order = TileOrder(tiles, ranges[chunk])
        let apart = apart(order.count)
        let left = patches + patch
        let products = left + 36 * apart.inputs
        tiles.transform(
          ranges[chunk], order, of: map, patches, into: left, apart: apart.inputs, Tiles.byRows(order.count))
        for element in 0..<36 {
          let needing = order.needing(element)
          var side = dms_left(
            values: left + element * apart.inputs + needing.lowerBound * kc, stride: order.count * kc, transposed: 0
          )
          var right = dms_right(
            values: workspace + element * weightsApart, depth: inputs, columns: outputs, first: 0)
          dms_multiply(
            &side, &right, needing.count, 0, outputs, inputs, 0,
            products + element * apart.products + needing.lowerBound * step, step, nil)
        }
        tiles.finish(
          ranges[chunk], order, products, apart: apart.products, step: step, 0..<outputs, adds: adds, target)
      },
    ]
  }
}
