import CKernels
import Operations

/// The tile form of a 3x3 convolution of stride 1: Winograd's F(4x4,3x3) (Lavin and Gray 2016). Outputs are cut into tiles of 4x4,
/// each computed from 6x6 inputs through 36 products instead of 144.
struct Tiles {
  /// Input map, output map and padding.
  let geometry: dms_geometry
  let images, inputs, outputs: Int
  /// Lines of tiles of an image, and tiles of a line.
  let down, across: Int

  /// Nil where tiles do not apply to `taps` or, unless asked for, cost more than products of matrices.
  init?(_ taps: Taps, _ algorithm: ConvolutionAlgorithm) {
    let g = taps.geometry
    guard algorithm == .automatic || algorithm == .winograd, g.kernel_height == 3, g.kernel_width == 3, g.stride == 1,
      g.padding <= 2
    else { return nil }
    self.init(g, taps.images, taps.inputs, taps.outputs)
    let narrow = min(inputs, outputs)
    if narrow < (algorithm == .winograd ? Tuning.Tiles.leastChannels : Tuning.Tiles.leastChannelsByCost) { return nil }
    guard algorithm == .automatic else { return }
    // Products and transforms of tiles, and transforms of weights by each chunk, against products with im2col.
    let (pairs, cost) = (inputs * outputs, Tuning.Tiles.self)
    let parts = (count + cost.most - 1) / cost.most
    let tiles = 36 * count * pairs + cost.tileCost * count * (inputs + outputs) + cost.weightCost * parts * pairs
    if tiles > cost.directCost * taps.rows * pairs { return nil }
  }

  private init(_ geometry: dms_geometry, _ images: Int, _ inputs: Int, _ outputs: Int) {
    self.geometry = geometry
    (self.images, self.inputs, self.outputs) = (images, inputs, outputs)
    down = (geometry.out_height + 3) / 4
    across = (geometry.out_width + 3) / 4
  }

  /// The form of the map's gradient: from the output's gradient to the map's, with the weight rotated.
  var rotated: Tiles {
    var g = geometry
    (g.height, g.width, g.out_height, g.out_width) = (g.out_height, g.out_width, g.height, g.width)
    (g.channels, g.padding) = (outputs, 2 - g.padding)
    return Tiles(g, images, outputs, inputs)
  }

  /// The map by these tiles.
  func product(isRotated: Bool) -> any MapForm {
    LocalTileProduct(self, isRotated: isRotated) ?? TileProduct(tiles: self, isRotated: isRotated)
  }

  /// All tiles.
  var count: Int { lines * across }
  /// Lines of tiles over all images.
  var lines: Int { images * down }

  /// The rows of the output, counted over all images, that lines `range` of tiles cover.
  func rows(_ range: Range<Int>) -> Range<Int> {
    let start = { (line: Int) in
      (line / down * geometry.out_height + min(line % down * 4, geometry.out_height)) * geometry.out_width
    }
    return start(range.lowerBound)..<start(range.upperBound)
  }

  /// All lines in nearly equal ranges of at most `most` tiles, or of one line where that has more.
  func ranges(most: Int) -> [Range<Int>] {
    let pieces = max(1, (lines + max(1, most / across) - 1) / max(1, most / across))
    return (0..<pieces).map { lines * $0 / pieces..<lines * ($0 + 1) / pieces }
  }

  /// Floats of scratch memory for a patch of one line of tiles.
  static func patch(_ across: Int, _ channels: Int) -> Int { 6 * (4 * across + 2) * padded(channels) }

  /// Channels rounded up to whole vectors.
  static func padded(_ channels: Int) -> Int { (channels + Tuning.line - 1) / Tuning.line * Tuning.line }

  /// Floats from one element's matrix of `count` floats to the next: whole cache lines, and never a power of two, at which
  /// 36 matrices would compete for a few sets of the caches.
  static func apart(_ count: Int) -> Int { ((count + Tuning.line - 1) / Tuning.line | 1) * Tuning.line }

  /// Calls `body` with each line of `range`, its patch of `map` loaded: `size` pixels high, `origin` pixels above and left of the
  /// tiles.
  func patches(
    _ range: Range<Int>, of map: dms_source, _ geometry: dms_geometry, origin: Int, size: Int,
    _ scratch: UnsafeMutablePointer<Float>, _ body: (_ line: Int) -> Void
  ) {
    let columns = 4 * across + size - 4
    withUnsafePointer(to: geometry) { geometry in
      withUnsafePointer(to: map) { map in
        for line in range {
          dms_load_patch(
            geometry, map, line / down, line % down * 4 - origin, size, -origin, columns,
            Tiles.padded(geometry.pointee.channels), scratch)
          body(line)
        }
      }
    }
  }

  /// Transforms inputs of `lines`: value (tile, channel) of an element goes where `layout` says from the tile's place in
  /// `order`; elements lie `apart` floats apart.
  func transform(
    _ lines: Range<Int>, _ order: TileOrder, of map: dms_source, _ patch: UnsafeMutablePointer<Float>,
    into target: UnsafeMutablePointer<Float>, apart: Int, _ layout: dms_layout
  ) {
    let channels = Tiles.padded(inputs)
    withUnsafePointer(to: layout) { layout in
      patches(lines, of: map, geometry, origin: geometry.padding, size: 6, patch) { line in
        order.runs(line) { tiles, first, place in
          withUnsafePointer(to: tiles) {
            dms_winograd_input(
              patch + 4 * first * channels, (4 * across + 2) * channels, channels, $0,
              target + place * layout.pointee.step, apart, layout)
          }
        }
      }
    }
  }

  /// The layout of left sides by rows for `count` tiles.
  static func byRows(_ count: Int) -> dms_layout {
    dms_layout(width: Tuning.kc, plane: count * Tuning.kc, step: Tuning.kc)
  }

  /// Transforms weights of depth `depth` and `columns`, a right side an element; `isRotated`: for the gradient of the map.
  func transform(
    _ weight: UnsafePointer<Float>, isRotated: Bool, _ depth: Range<Int>, _ columns: Range<Int>,
    into target: UnsafeMutablePointer<Float>, apart: Int
  ) {
    var part = dms_weight_part(
      first: depth.lowerBound, depth: depth.count, column: columns.lowerBound, columns: columns.count)
    dms_winograd_weight(
      weight, isRotated ? outputs : inputs, isRotated ? inputs : outputs, isRotated ? 1 : 0, &part, target, apart)
  }

  /// Transforms products of `channels` back to outputs of `lines`; a tile's lie `step` floats apart, elements `apart`.
  func finish(
    _ lines: Range<Int>, _ order: TileOrder, _ products: UnsafePointer<Float>, apart: Int, step: Int,
    _ channels: Range<Int>, adds: Bool, _ target: UnsafeMutablePointer<Float>
  ) {
    for line in lines {
      let row = rows(line..<line + 1).lowerBound
      order.runs(line) { tiles, first, place in
        withUnsafePointer(to: tiles) {
          dms_winograd_output(
            products + place * step, apart, step, $0, channels.count, adds ? 1 : 0,
            target + (row + 4 * first) * outputs + channels.lowerBound, geometry.out_width * outputs, outputs)
        }
      }
    }
  }
}
