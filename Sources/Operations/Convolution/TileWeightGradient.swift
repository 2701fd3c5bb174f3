import CKernels
import Graphs

/// The gradient of a weight by tiles: inputs and arriving gradients transformed, 36 products summed over all tiles, transformed
/// back. Tiles go in sections, so that what is transformed stays in the shared cache.
struct TileWeightGradient: WeightForm {
  var name: String { "tiles" }
  let tiles: Tiles

  private let inputs, outputs: Int
  /// Floats from tile to tile of the transformed inputs: not a power of two.
  private let step: Int
  private let sections: [Range<Int>]
  /// Floats from frequency to frequency.
  private let inputsApart, arrivingApart, productsApart: Int

  init(tiles: Tiles) {
    self.tiles = tiles
    (inputs, outputs) = (tiles.inputs, tiles.outputs)
    step = Tiles.padded(inputs) + 16
    sections = tiles.ranges(most: max(tiles.across, 87_040 / (inputs + outputs)))
    let most = (sections.map(\.count).max() ?? 0) * tiles.across
    inputsApart = Tiles.apart(most * step)
    arrivingApart = Tiles.apart(Packed.count(most, outputs))
    productsApart = Tiles.apart(inputs * outputs)
  }

  var workspace: Workspace {
    Workspace(
      shared: 36 * (inputsApart + arrivingApart + productsApart) * 4,
      scratch: max(Tiles.patch(tiles.across, inputs), Tiles.patch(tiles.across, outputs)) * 4)
  }

  func phases(
    _ map: dms_source, arriving: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let right = workspace + 36 * inputsApart
    let products = right + 36 * arrivingApart
    var phases: [Phase] = []
    let blocks = Pieces(rows: inputs, in: inputs >= 256 ? 2 : 1, channels: 1)
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
            transformArriving(line, order, arriving, scratch, right)
          }
        })
      phases.append(
        Phase(chunks: 36 * blocks.count) { chunk, _ in
          let (frequency, rows) = (chunk / blocks.count, blocks[chunk % blocks.count].rows)
          let wanting = order.wanting(frequency)
          var left = dms_left(
            values: workspace + frequency * inputsApart + wanting.lowerBound * step + rows.lowerBound, stride: step,
            transposed: 1)
          var right = dms_right(
            values: right + frequency * arrivingApart, depth: order.count, columns: outputs, first: wanting.lowerBound)
          let next = (chunk + 1) / blocks.count
          var ahead = dms_ahead(
            values: workspace + next * inputsApart + blocks[(chunk + 1) % blocks.count].rows.lowerBound, more: nil,
            stride: step, rows: next < 36 ? order.count : 0, columns: rows.count)
          dms_multiply(
            &left, &right, rows.count, 0, outputs, wanting.count,
            section.lowerBound > 0 ? 1 : 0, products + frequency * productsApart + rows.lowerBound * outputs, outputs,
            &ahead)
        })
    }
    phases.append(
      Phase.ranges(inputs, grain: 8) { rows in
        dms_winograd_weight_gradient(products, productsApart, inputs, outputs, rows.lowerBound, rows.count, target)
      })
    return phases
  }

  /// One line's gradients to right sides.
  private func transformArriving(
    _ line: Int, _ order: TileOrder, _ arriving: dms_source, _ patch: UnsafeMutablePointer<Float>,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let (channels, panel, run) = (Tiles.padded(outputs), dms_panel(), Int(DMS_RUN))
    var geometry = tiles.geometry
    (geometry.height, geometry.width, geometry.channels) = (geometry.out_height, geometry.out_width, outputs)
    let panels = (outputs + panel - 1) / panel
    tiles.patches(line..<line + 1, of: arriving, geometry, origin: 0, size: 4, patch) { _ in
      order.runs(line) { tiles, first, place in
        var part = tiles
        var tile = place
        while tile < place + tiles.count {
          let start = tile / run * run
          let end = min(place + tiles.count, start + run)
          part.count = end - tile
          var layout = dms_layout(width: panel, plane: min(run, order.count - start) * panel, step: panel)
          dms_winograd_arriving(
            patch + 4 * (first + tile - place) * channels, 4 * self.tiles.across * channels,
            min(channels, panels * panel), &part, target + (start * panels + tile - start) * panel, arrivingApart,
            &layout)
          tile = end
        }
      }
    }
  }
}
