import CKernels
import Operations

/// The gradient of a weight by tiles: inputs and upstream gradients transformed, 36 products summed over all tiles, transformed
/// back. Tiles go in sections, so that what is transformed stays in the shared cache.
///
/// Where the weight is small a chunk makes one element's product; where it is large, all 36 of a block of inputs and outputs, which
/// stay in a core's own cache until they are transformed back.
struct TileWeightGradient: WeightForm {
  let name = "tiles"
  let tiles: Tiles
  private let adds: Bool

  private let inputs, outputs: Int
  /// Floats from tile to tile of the transformed inputs: not a power of two.
  private let step: Int
  private let sections: [Range<Int>]
  /// Blocks of inputs (rows) and outputs.
  private let blocks: Pieces
  private let isByBlock: Bool
  /// Floats from element to element.
  private let inputsApart, upstreamApart, productsApart: Int

  init(tiles: Tiles, adds: Bool) {
    (self.tiles, self.adds) = (tiles, adds)
    (inputs, outputs) = (tiles.inputs, tiles.outputs)
    step = Tiles.padded(inputs) + Tuning.line
    sections = tiles.ranges(most: max(tiles.across, Tuning.Tiles.section / (inputs + outputs)))
    let most = (sections.map(\.count).max() ?? 0) * tiles.across
    inputsApart = Tiles.apart(most * step)
    upstreamApart = Tiles.apart(Packed.count(most, Tiles.padded(outputs)))
    isByBlock = inputs * outputs >= Tuning.Tiles.largeWeight
    let width = isByBlock ? Tuning.Tiles.gradientBlock : max(inputs, outputs)
    blocks = Pieces(
      rows: inputs, in: (inputs + width - 1) / width, channels: outputs, in: (outputs + width - 1) / width,
      unit: Tuning.nr)
    productsApart = Tiles.apart((blocks.rows.map(\.count).max() ?? 0) * (blocks.channels.map(\.count).max() ?? 0))
  }

  /// Whether products are only needed until the end of their chunk.
  private var areLocal: Bool { isByBlock && sections.count == 1 }

  var workspace: Workspace {
    let products = 36 * productsApart
    return Workspace(
      shared: (36 * (inputsApart + upstreamApart) + (areLocal ? 0 : blocks.count * products)) * 4,
      scratch: max(
        Tiles.patch(tiles.across, inputs), Tiles.patch(tiles.across, outputs), areLocal ? products : 0) * 4)
  }

  func phases(
    _ map: dms_source, upstream: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let right = workspace + 36 * inputsApart
    let products = right + 36 * upstreamApart
    var phases: [Phase] = []
    for section in sections {
      let order = TileOrder(tiles, section)
      phases.append(
        Phase(chunks: section.count * 2) { chunk, scratch in
          let line = section.lowerBound + chunk / 2
          let scratch = scratch.assumingMemoryBound(to: Float.self)
          if chunk % 2 == 0 {
            tiles.transform(
              line..<line + 1, order, of: map, scratch, into: workspace, apart: inputsApart,
              dms_layout(width: 1 << 40, plane: 0, step: step))
          } else {
            transformUpstream(line, order, upstream, scratch, right)
          }
        })
      let isFirst = section.lowerBound == 0
      guard isByBlock else {
        phases.append(
          Phase(chunks: 36) { element, _ in
            multiply(element, order, 0, isFirst, workspace, products + element * productsApart)
          })
        continue
      }
      phases.append(
        Phase(chunks: blocks.count) { block, scratch in
          let products =
            areLocal ? scratch.assumingMemoryBound(to: Float.self) : products + block * 36 * productsApart
          for element in 0..<36 {
            multiply(element, order, block, isFirst, workspace, products + element * productsApart)
          }
          if section.upperBound == tiles.lines { finish(blocks[block].rows, blocks[block].channels, products, target) }
        })
    }
    if !isByBlock {
      phases.append(
        Phase.ranges(inputs, grain: Tuning.Tiles.finished) { rows in
          finish(rows, 0..<outputs, products + rows.lowerBound * outputs, target)
        })
    }
    return phases
  }

  /// One element's product for a block of inputs and outputs, or what a section adds to it.
  private func multiply(
    _ element: Int, _ order: TileOrder, _ block: Int, _ isFirst: Bool, _ transformed: UnsafeMutablePointer<Float>,
    _ products: UnsafeMutablePointer<Float>
  ) {
    let (rows, columns) = blocks[block]
    let needing = order.needing(element)
    var left = dms_left(
      values: transformed + element * inputsApart + needing.lowerBound * step + rows.lowerBound, stride: step,
      transposed: 1)
    var right = dms_right(
      values: transformed + 36 * inputsApart + element * upstreamApart, depth: order.count,
      columns: Tiles.padded(outputs), first: needing.lowerBound)
    dms_multiply(
      &left, &right, rows.count, columns.lowerBound, columns.count, needing.count, isFirst ? 0 : 1, products,
      columns.count, nil)
  }

  /// Products of inputs `rows` and outputs `columns` to gradients.
  private func finish(
    _ rows: Range<Int>, _ columns: Range<Int>, _ products: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>
  ) {
    dms_winograd_weight_gradient(
      products, productsApart, rows.count, columns.count, target + rows.lowerBound * outputs + columns.lowerBound,
      outputs, inputs * outputs, adds ? 1 : 0)
  }

  /// One line's gradients to right sides.
  private func transformUpstream(
    _ line: Int, _ order: TileOrder, _ upstream: dms_source, _ patch: UnsafeMutablePointer<Float>,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let (channels, nr, kc) = (Tiles.padded(outputs), Tuning.nr, Tuning.kc)
    var geometry = tiles.geometry
    (geometry.height, geometry.width, geometry.channels) = (geometry.out_height, geometry.out_width, outputs)
    let panels = (channels + nr - 1) / nr
    tiles.patches(line..<line + 1, of: upstream, geometry, origin: 0, size: 4, patch) { _ in
      order.runs(line) { tiles, first, place in
        var part = tiles
        var tile = place
        while tile < place + tiles.count {
          let start = tile / kc * kc
          let end = min(place + tiles.count, start + kc)
          part.count = end - tile
          var layout = dms_layout(width: nr, plane: min(kc, order.count - start) * nr, step: nr)
          dms_winograd_upstream(
            patch + 4 * (first + tile - place) * channels, 4 * self.tiles.across * channels, channels, &part,
            target + (start * panels + tile - start) * nr, upstreamApart, &layout)
          tile = end
        }
      }
    }
  }
}
