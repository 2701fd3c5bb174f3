import CKernels
import Operations

/// A map by tiles: inputs transformed, 36 products, outputs transformed back.
///
/// Inputs are transformed once; then a chunk takes some tiles and a block of channels, transforms that block's weights a few steps of
/// depth at a time, multiplies and transforms back: transformed weights and products are never kept for the whole map.
struct TileProduct: MapForm {
  let name = "tiles"
  let tiles: Tiles
  /// Whether the weight is used rotated and transposed.
  let isRotated: Bool

  /// Channels of a block.
  private let width: Int
  /// Steps of depth whose weights are transformed at once.
  private static let slice = Tuning.Tiles.depth

  init(tiles: Tiles, isRotated: Bool) {
    (self.tiles, self.isRotated) = (tiles, isRotated)
    let (narrow, wide) = (Tuning.Tiles.narrowBlock, Tuning.Tiles.wideBlock)
    width = tiles.ranges(most: Tuning.Tiles.most).count * (tiles.outputs / wide) >= Tuning.chunks ? wide : narrow
  }

  private var inputs: Int { tiles.inputs }
  private var ranges: [Range<Int>] { tiles.ranges(most: Tuning.Tiles.most) }
  private var blocks: [Range<Int>] {
    Pieces(rows: 1, in: 1, channels: tiles.outputs, in: tiles.outputs, unit: width).channels
  }

  var pieces: Pieces { Pieces(rows: ranges.map(tiles.rows), channels: blocks) }

  /// Floats from element to element: of the transformed inputs and the products of `count` tiles, and of weights.
  private func inputsApart(_ count: Int) -> Int {
    let kc = Tuning.kc
    return Tiles.apart((inputs + kc - 1) / kc * kc * count)
  }
  private func productsApart(_ count: Int) -> Int { Tiles.apart(count * width) }
  private var weightsApart: Int { Tiles.apart(Self.slice * width) }

  /// Adds one tap of the weight between inputs `depth` and outputs `block` to `prefetch`.
  private func addWeight(
    to prefetch: inout dms_prefetch, _ tap: UnsafePointer<Float>, _ depth: Range<Int>, _ block: Range<Int>
  ) {
    if isRotated {
      prefetch.add(tap, stride: inputs, block, depth)
    } else {
      prefetch.add(tap, stride: tiles.outputs, depth, block)
    }
  }

  var workspace: Workspace {
    let counts = ranges.map { $0.count * tiles.across }
    return Workspace(
      shared: counts.reduce(0) { $0 + 36 * inputsApart($1) } * 4,
      scratch: max(
        Tiles.patch(tiles.across, inputs), 36 * (weightsApart + productsApart(counts.max() ?? 0))) * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, next: [UnsafeMutablePointer<Float>]
  ) -> [Phase] {
    var parts: [Part] = []
    var place = workspace
    for range in ranges {
      parts.append(Part(form: self, lines: range, order: TileOrder(tiles, range), inputs: place))
      place += 36 * inputsApart(range.count * tiles.across)
    }
    let (all, blocks) = (parts, blocks)
    let partOfLine = all.indices.flatMap { index in all[index].lines.map { _ in index } }
    return [
      Phase(chunks: tiles.lines) { line, scratch in
        all[partOfLine[line]].transform(line, map, scratch.assumingMemoryBound(to: Float.self))
      },
      Phase(chunks: all.count * blocks.count) { chunk, scratch in
        all[chunk / blocks.count].finish(
          blocks[chunk % blocks.count], weight, adds, target, scratch.assumingMemoryBound(to: Float.self))
      },
    ]
  }

  /// Some lines of tiles.
  private struct Part {
    let form: TileProduct
    let lines: Range<Int>
    let order: TileOrder
    /// Where the transformed inputs lie: left sides by rows, one an element.
    let inputs: UnsafeMutablePointer<Float>

    func transform(_ line: Int, _ map: dms_source, _ patch: UnsafeMutablePointer<Float>) {
      form.tiles.transform(
        line..<line + 1, order, of: map, patch, into: inputs, apart: form.inputsApart(order.count),
        Tiles.byRows(order.count))
    }

    /// The outputs' channels `block`.
    func finish(
      _ block: Range<Int>, _ weight: UnsafePointer<Float>, _ adds: Bool, _ target: UnsafeMutablePointer<Float>,
      _ scratch: UnsafeMutablePointer<Float>
    ) {
      let (tiles, width, kc) = (form.tiles, form.width, Tuning.kc)
      let products = scratch + 36 * form.weightsApart
      let (apart, inputsApart) = (form.productsApart(order.count), form.inputsApart(order.count))
      for start in stride(from: 0, to: tiles.inputs, by: TileProduct.slice) {
        let depth = start..<min(start + TileProduct.slice, tiles.inputs)
        tiles.transform(weight, isRotated: form.isRotated, depth, block, into: scratch, apart: form.weightsApart)
        let next = depth.upperBound..<min(depth.upperBound + TileProduct.slice, tiles.inputs)
        for element in 0..<36 {
          let left = { (element: Int) in
            let place = start / kc * kc * order.count + order.needing(element).lowerBound * kc + start % kc
            return UnsafePointer(inputs + element * inputsApart + place)
          }
          // While a product is computed, the next element's inputs are prefetched, and with every fourth one tap of the next
          // steps' weights.
          var prefetch = dms_prefetch()
          if element < 35 {
            prefetch.add(left(element + 1), stride: kc, 0..<order.needing(element + 1).count, 0..<depth.count)
          }
          if element % 4 == 0 {
            form.addWeight(to: &prefetch, weight + element / 4 * tiles.inputs * tiles.outputs, next, block)
          }
          let needing = order.needing(element)
          var side = dms_left(values: left(element), stride: 0, transposed: 0)
          var right = dms_right(
            values: scratch + element * form.weightsApart, depth: depth.count, columns: block.count, first: 0)
          dms_multiply(
            &side, &right, needing.count, 0, block.count, depth.count, start > 0 ? 1 : 0,
            products + element * apart + needing.lowerBound * width, width, &prefetch)
        }
      }
      tiles.finish(lines, order, products, apart: apart, step: width, block, adds: adds, target)
    }
  }
}
