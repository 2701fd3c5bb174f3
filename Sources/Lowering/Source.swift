import CKernels
import Operations

extension dms_source {
  /// The rows of `operand`, with what is to be computed on loading them.
  init(_ operand: Operand) {
    if let prologue = operand.prologue {
      self.init(pending: prologue.operation, prologue.inputs)
    } else {
      self.init(operand.floats, stride: operand.shape.channels)
    }
  }

  /// Rows as they are.
  init(_ x: UnsafePointer<Float>, stride: Int) {
    self.init(x: x, stride: stride, norm: dms_norm(), relu: 0, upstream: nil, slope: nil, offset: nil)
  }

  /// The gradient of a batch norm's input; `slopes` holds slopes, then offsets, and may be left out where only sums are wanted.
  init(upstream: Operand, x: Operand, coefficients: Operand, relu: Bool, slopes: UnsafePointer<Float>? = nil) {
    self.init(
      x: x.floats, stride: x.shape.channels, norm: dms_norm(coefficients), relu: relu ? 1 : 0,
      upstream: upstream.floats, slope: slopes, offset: slopes.map { $0 + x.shape.channels })
  }

  /// Whether loading computes anything.
  var isPending: Bool { norm.scale != nil }

  /// Loads channels `channels` of `rows`, one row each `step` floats from `target`.
  func load(_ rows: Range<Int>, _ channels: Range<Int>, _ target: UnsafeMutablePointer<Float>, step: Int) {
    place(rows, channels, target, dms_layout(width: 1 << 40, plane: 0, step: step), padded: channels.count)
  }

  /// Loads channels `channels` of `rows` as the left side of a product, by rows.
  func loadLeft(_ rows: Range<Int>, _ channels: Range<Int>, _ target: UnsafeMutablePointer<Float>) {
    let kc = Tuning.kc
    place(rows, channels, target, dms_layout(width: kc, plane: rows.count * kc, step: kc), padded: channels.count)
  }

  /// Loads at most KC rows as the right side of a product.
  func loadRight(_ rows: Range<Int>, _ target: UnsafeMutablePointer<Float>) {
    let nr = Tuning.nr
    place(
      rows, 0..<stride, target, dms_layout(width: nr, plane: rows.count * nr, step: nr),
      padded: (stride + nr - 1) / nr * nr)
  }

  /// Adds channels `channels` of `rows` to `prefetch`.
  func add(to prefetch: inout dms_prefetch, _ rows: Range<Int>, _ channels: Range<Int>) {
    prefetch.add(x, stride: stride, rows, channels)
    if isPending, let upstream { prefetch.add(upstream, stride: stride, rows, channels) }
  }

  private func place(
    _ rows: Range<Int>, _ channels: Range<Int>, _ target: UnsafeMutablePointer<Float>, _ layout: dms_layout, padded: Int
  ) {
    withUnsafePointer(to: self) { source in
      withUnsafePointer(to: layout) {
        dms_load(source, rows.lowerBound, rows.count, channels.lowerBound, channels.count, padded, target, $0)
      }
    }
  }
}

extension dms_prefetch {
  /// Adds columns `columns` of rows `rows` of a matrix whose rows lie `stride` floats apart.
  mutating func add(_ values: UnsafePointer<Float>, stride: Int, _ rows: Range<Int>, _ columns: Range<Int>) {
    dms_prefetch_add(
      &self, values + rows.lowerBound * stride + columns.lowerBound, stride, rows.count, columns.count)
  }
}

extension dms_norm {
  /// The rows of coefficients [4,C].
  init(_ coefficients: Operand) {
    let (rows, channels) = (coefficients.floats, coefficients.shape.channels)
    self.init(scale: rows, bias: rows + channels, mean: rows + 2 * channels, inverse: rows + 3 * channels)
  }
}

/// The right side of a product, packed.
struct Packed {
  let values: UnsafeMutablePointer<Float>
  let depth, columns: Int

  /// Floats of [depth, columns].
  static func count(_ depth: Int, _ columns: Int) -> Int { dms_packed_count(depth, columns) }

  /// Packs `matrix`, a few panels a chunk.
  func packing(_ matrix: dms_matrix) -> Phase {
    Phase.ranges(dms_pack_panels(depth, columns), grain: Tuning.Products.packedPanels) { panels in
      withUnsafePointer(to: matrix) { dms_pack($0, depth, columns, 1, panels.lowerBound, panels.count, values) }
    }
  }

  /// Steps of depth that are loaded at once.
  static var slice: Int { Tuning.Products.depth }

  /// Channels of a source that `multiply` loads first.
  var first: Range<Int> { 0..<min(depth, Packed.slice) }

  /// Floats of scratch memory for `multiply` with at most `rows` rows.
  static func scratch(rows: Int) -> Int { rows * slice }

  /// Channels `channels` of target [rows, columns] (+)= source [rows, depth] * this [depth, columns]; the first of `rows` goes to the
  /// target's row 0. `prefetch` is what the caller will read next.
  func multiply(
    _ source: dms_source, _ rows: Range<Int>, _ channels: Range<Int>, adds: Bool,
    into target: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>, prefetch: dms_prefetch
  ) {
    var start = 0
    while start < depth {
      let end = min(depth, start + Packed.slice)
      source.loadLeft(rows, start..<end, scratch)
      var left = dms_left(values: scratch, stride: rows.count * Tuning.kc, transposed: 0)
      var right = dms_right(values: values, depth: depth, columns: columns, first: start)
      var next = end < depth ? dms_prefetch() : prefetch
      if end < depth { source.add(to: &next, rows, end..<min(depth, end + Packed.slice)) }
      dms_multiply(
        &left, &right, rows.count, channels.lowerBound, channels.count, end - start, adds || start > 0 ? 1 : 0,
        target + channels.lowerBound, columns, &next)
      start = end
    }
  }
}
