import CKernels
import Graphs

/// The tile form of a 3x3 convolution of stride 1: Winograd's F(4x4,3x3) (Lavin and Gray 2016). Outputs are cut into tiles of 4x4,
/// each computed from 6x6 inputs through 36 products instead of 144.
struct Tiles {
  /// Input map, output map and padding.
  let geometry: dms_geometry
  let images, inputs, outputs: Int
  /// Lines of tiles of an image, and tiles of a line.
  let down, across: Int

  /// Nil where tiles do not apply to `taps` or, unless asked for, do not pay.
  init?(_ taps: Taps, _ algorithm: ConvolutionAlgorithm) {
    let g = taps.geometry
    guard algorithm == .automatic || algorithm == .winograd, g.kernel_height == 3, g.kernel_width == 3, g.stride == 1,
      g.padding <= 2
    else { return nil }
    self.init(g, taps.images, taps.inputs, taps.outputs)
    let narrow = min(inputs, outputs)
    if narrow < (algorithm == .winograd ? 16 : 33) { return nil }
    guard algorithm == .automatic else { return }
    // In multiplications: products and transforms of tiles and of weights, against products and gathering of taps. What a
    // transform costs was measured against the products.
    let tiles = 36 * count * inputs * outputs + 240 * count * (inputs + outputs) + 200 * inputs * outputs
    let direct = 10 * taps.rows * inputs * outputs
    if tiles > direct || ConvolutionAlgorithm.isSmall(taps) { return nil }
  }

  private init(_ geometry: dms_geometry, _ images: Int, _ inputs: Int, _ outputs: Int) {
    self.geometry = geometry
    (self.images, self.inputs, self.outputs) = (images, inputs, outputs)
    down = (geometry.out_height + 3) / 4
    across = (geometry.out_width + 3) / 4
  }

  /// The form of the map's gradient: from the output's gradient to the map's, with the weight turned around.
  var turned: Tiles {
    var g = geometry
    (g.height, g.width, g.out_height, g.out_width) = (g.out_height, g.out_width, g.height, g.width)
    (g.channels, g.padding) = (outputs, 2 - g.padding)
    return Tiles(g, images, outputs, inputs)
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
  static func padded(_ channels: Int) -> Int { (channels + 15) / 16 * 16 }

  /// Floats from one frequency's matrix of `count` floats to the next: whole cache lines, and never a power of two, at which
  /// 36 matrices would compete for a few sets of the caches.
  static func apart(_ count: Int) -> Int { (count + 15) / 16 * 16 + (((count + 15) / 16) % 2 == 0 ? 16 : 0) }

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
}

/// A map by tiles: inputs transformed, 36 products, outputs transformed back.
///
/// Where the weight is small a chunk does all three for a few lines of tiles, in a core's own cache; where it is large the 36
/// products go over all tiles at once, so that it is read once.
struct TileProduct: MapForm {
  var name: String { isLocal ? "tiles, local" : "tiles" }
  let tiles: Tiles
  /// Whether the weight is used turned around and transposed.
  let isTurned: Bool

  private var inputs: Int { tiles.inputs }
  private var outputs: Int { tiles.outputs }
  private var isLocal: Bool { inputs * outputs <= 8192 }
  private var ranges: [Range<Int>] {
    tiles.ranges(most: isLocal ? max(12, 5120 / (inputs + outputs)) : max(1, tiles.count / 16))
  }
  private var step: Int { Tiles.padded(outputs) }
  private var weightStep: Int { Tiles.apart(Packed.count(inputs, outputs)) }

  var pieces: Pieces { Pieces(rows: ranges.map(tiles.rows), channels: [0..<outputs]) }

  /// Floats from frequency to frequency of the transformed inputs and of the products of `count` tiles.
  private func apart(_ count: Int) -> (inputs: Int, products: Int) {
    let run = Int(DMS_RUN)
    return (Tiles.apart((inputs + run - 1) / run * run * count), Tiles.apart(count * step))
  }
  private func floats(_ count: Int) -> Int { 36 * (apart(count).inputs + apart(count).products) }

  var workspace: Workspace {
    let weights = 36 * weightStep
    let patch = Tiles.patch(tiles.across, inputs)
    if isLocal {
      let most = (ranges.map(\.count).max() ?? 0) * tiles.across
      return Workspace(shared: weights * 4, scratch: (patch + floats(most)) * 4)
    }
    return Workspace(shared: (weights + floats(tiles.count)) * 4, scratch: patch * 4)
  }

  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase] {
    let ranges = ranges
    let weights = Phase.ranges(inputs, grain: 16) { depth in
      dms_winograd_weight(
        weight, isTurned ? outputs : inputs, isTurned ? inputs : outputs, isTurned ? 1 : 0, depth.lowerBound,
        depth.count, workspace, weightStep)
    }
    let patch = Tiles.patch(tiles.across, inputs)
    if isLocal {
      return [
        weights,
        Phase(chunks: ranges.count) { chunk, scratch in
          let scratch = scratch.assumingMemoryBound(to: Float.self)
          let part = Part(form: self, lines: ranges[chunk], memory: scratch + patch, weights: workspace)
          part.transform(ranges[chunk], map, scratch)
          for frequency in 0..<36 { part.multiply(frequency) }
          part.finish(ranges[chunk], adds, target)
        },
      ]
    }
    let all = Part(form: self, lines: 0..<tiles.lines, memory: workspace + 36 * weightStep, weights: workspace)
    return [
      weights,
      Phase(chunks: ranges.count) { chunk, scratch in
        all.transform(ranges[chunk], map, scratch.assumingMemoryBound(to: Float.self))
      },
      Phase(chunks: 36) { frequency, _ in all.multiply(frequency) },
      Phase(chunks: ranges.count) { chunk, _ in all.finish(ranges[chunk], adds, target) },
    ]
  }

  /// The 36 matrices of some lines of tiles.
  private struct Part {
    let form: TileProduct
    let lines: Range<Int>
    let memory: UnsafeMutablePointer<Float>
    let weights: UnsafeMutablePointer<Float>
    private let order: TileOrder
    private let apart: (inputs: Int, products: Int)
    private let products: UnsafeMutablePointer<Float>

    init(
      form: TileProduct, lines: Range<Int>, memory: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>
    ) {
      (self.form, self.lines, self.memory, self.weights) = (form, lines, memory, weights)
      order = TileOrder(form.tiles, lines)
      apart = form.apart(order.count)
      products = memory + 36 * apart.inputs
    }

    /// Inputs of lines `range` to left sides by rows.
    func transform(_ range: Range<Int>, _ map: dms_source, _ patch: UnsafeMutablePointer<Float>) {
      let (tiles, run) = (form.tiles, Int(DMS_RUN))
      let channels = Tiles.padded(form.inputs)
      var layout = dms_layout(width: run, plane: order.count * run, step: run)
      tiles.patches(range, of: map, tiles.geometry, origin: tiles.geometry.padding, size: 6, patch) { line in
        order.runs(line) { run, first, place in
          withUnsafePointer(to: run) {
            dms_winograd_input(
              patch + 4 * first * channels, (4 * tiles.across + 2) * channels, channels, $0,
              memory + place * Int(DMS_RUN), apart.inputs, &layout)
          }
        }
      }
    }

    /// The product of one frequency.
    func multiply(_ frequency: Int) {
      let (wanting, run) = (order.wanting(frequency), Int(DMS_RUN))
      let inputs = memory + frequency * apart.inputs
      var left = dms_left(values: inputs + wanting.lowerBound * run, stride: order.count * run, transposed: 0)
      var right = dms_right(
        values: weights + frequency * form.weightStep, depth: form.inputs, columns: form.outputs, first: 0)
      var ahead = dms_ahead(
        values: inputs + apart.inputs, more: nil, stride: 0, rows: frequency < 35 ? 1 : 0, columns: apart.inputs)
      dms_multiply(
        &left, &right, wanting.count, 0, form.outputs, form.inputs, 0,
        products + frequency * apart.products + wanting.lowerBound * form.step, form.step, &ahead)
    }

    /// Products of lines `range` to outputs.
    func finish(_ range: Range<Int>, _ adds: Bool, _ target: UnsafeMutablePointer<Float>) {
      let (tiles, g) = (form.tiles, form.tiles.geometry)
      for line in range {
        let row = tiles.rows(line..<line + 1).lowerBound
        order.runs(line) { run, first, place in
          withUnsafePointer(to: run) {
            dms_winograd_output(
              products + place * form.step, apart.products, form.step, $0, form.outputs, adds ? 1 : 0,
              target + (row + 4 * first) * form.outputs, g.out_width * form.outputs)
          }
        }
      }
    }
  }
}
