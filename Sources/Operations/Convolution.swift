import CKernels
import Graphs

/// Convolution without bias over channels-last maps: [N,H,W,I] and weight [kh,kw,I,O] -> [N,H',W',O].
///
/// As a product of matrices: the taps under each output position form a row. Chunks of rows fit a core's own cache.
struct Convolution: Operation {
  let stride: Int
  let padding: Int

  var name: String { "convolution" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let (map, weight) = (inputs[0].shape, inputs[1].shape)
    guard map.rank == 4, weight.rank == 4, map[3] == weight[2] else {
      throw misfit(self, inputs, "a map [N,H,W,I] and a weight [kh,kw,I,O] were expected")
    }
    let extent = { (axis: Int) in (map[axis + 1] + 2 * padding - weight[axis]) / stride + 1 }
    guard map[1] + 2 * padding >= weight[0], map[2] + 2 * padding >= weight[1] else {
      throw misfit(self, inputs, "the kernel exceeds the padded map")
    }
    return [TensorType([map[0], extent(0), extent(1), weight[3]], inputs[0].element)]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let arriving = context.gradients[0] else { return [nil, nil] }
    let (map, weight) = (context.inputs[0], context.inputs[1])
    let weightGradient = try map.graph.apply(
      WeightGradient(stride: stride, padding: padding, weight: weight.shape), [map, arriving])[0]
    guard context.wanted[0] else { return [nil, weightGradient] }
    let mapGradient = try map.graph.apply(
      MapGradient(stride: stride, padding: padding, map: map.shape), [arriving, weight])[0]
    return [mapGradient, weightGradient]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * outputs[0].shape.rows * inputs[1].shape.count, inputs, outputs)
  }

  func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
    let taps = Taps(map: inputs[0].shape, weight: inputs[1].shape, stride: stride, padding: padding)
    return Workspace(
      shared: dms_packed_count(taps.columns, taps.outputs) * 4,
      scratch: (taps.gathered + dms_multiply_scratch(taps.grain)) * 4)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (map, weight, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
    let packed = operands.workspace.assumingMemoryBound(to: Float.self)
    let taps = Taps(map: operands.inputs[0].shape, weight: operands.inputs[1].shape, stride: stride, padding: padding)
    let (outputs, depth) = (taps.outputs, taps.columns)
    // A narrow product leaves a vector unit idle anyway, and double precision is there for the asking.
    if outputs <= Int(DMS_NARROW) {
      return [
        Phase(chunks: taps.chunks) { chunk, scratch in
          let rows = taps.range(chunk)
          let columns = taps.gather(map, rows, scratch)
          dms_narrow_product(columns, weight, target + rows.lowerBound * outputs, rows.count, outputs, depth)
        }
      ]
    }
    return [
      packing(dms_matrix(values: weight, stride: outputs, transposed: 0), depth: depth, columns: outputs, packed),
      Phase(chunks: taps.chunks) { chunk, scratch in
        let rows = taps.range(chunk)
        var left = dms_matrix(values: taps.gather(map, rows, scratch), stride: depth, transposed: 0)
        dms_multiply(
          &left, packed, rows.count, outputs, depth, 0, target + rows.lowerBound * outputs, outputs,
          taps.beyond(scratch))
      },
    ]
  }

  /// The gradient of the map: gradient of the output, weight [, addend] -> [N,H,W,I].
  struct MapGradient: Operation {
    let stride: Int
    let padding: Int
    let map: Shape
    var adds = false

    var name: String { "convolution-map-gradient" }
    var overwrites: Int? { adds ? 2 : nil }
    var accumulating: (any Operation)? {
      adds ? nil : MapGradient(stride: stride, padding: padding, map: map, adds: true)
    }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[0].shape.rows * inputs[1].shape.count, inputs, outputs)
    }
    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
      let taps = Taps(map: map, weight: inputs[1].shape, stride: stride, padding: padding)
      return Workspace(
        shared: dms_packed_count(taps.outputs, taps.columns) * 4,
        scratch: (taps.gathered + dms_multiply_scratch(taps.grain)) * 4)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (arriving, weight, target) = (
        operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats
      )
      let addend = adds ? operands.inputs[2].floats : nil
      let packed = operands.workspace.assumingMemoryBound(to: Float.self)
      let taps = Taps(map: map, weight: operands.inputs[1].shape, stride: stride, padding: padding)
      let (outputs, columns) = (taps.outputs, taps.columns)
      let right = dms_matrix(values: weight, stride: outputs, transposed: 1)
      let pack = packing(right, depth: outputs, columns: columns, packed)
      /// Starts elements `range` of the map's gradient: from the addend or from zero.
      func begin(_ range: Range<Int>) {
        guard let addend else { return (target + range.lowerBound).update(repeating: 0, count: range.count) }
        if addend != target { (target + range.lowerBound).update(from: addend + range.lowerBound, count: range.count) }
      }
      if taps.isPlain {
        return [
          pack,
          Phase(chunks: taps.chunks) { chunk, scratch in
            let rows = taps.range(chunk)
            if addend != nil { begin(rows.lowerBound * columns..<rows.upperBound * columns) }
            var left = dms_matrix(values: arriving + rows.lowerBound * outputs, stride: outputs, transposed: 0)
            dms_multiply(
              &left, packed, rows.count, columns, outputs, addend == nil ? 0 : 1, target + rows.lowerBound * columns,
              columns, taps.beyond(scratch))
          },
        ]
      }
      let (positions, extent) = (taps.rows / map[0], map.count / map[0])
      // Taps overlap, so a chunk is a whole image.
      return [
        pack,
        Phase(chunks: map[0]) { image, scratch in
          begin(image * extent..<(image + 1) * extent)
          let gathered = scratch.assumingMemoryBound(to: Float.self)
          var first = image * positions
          while first < (image + 1) * positions {
            let count = min(taps.grain, (image + 1) * positions - first)
            var left = dms_matrix(values: arriving + first * outputs, stride: outputs, transposed: 0)
            dms_multiply(&left, packed, count, columns, outputs, 0, gathered, columns, taps.beyond(scratch))
            taps.scatter(gathered, first..<first + count, target)
            first += count
          }
        },
      ]
    }
  }

  /// The gradient of the weight: map, gradient of the output -> [kh,kw,I,O].
  struct WeightGradient: Operation {
    let stride: Int
    let padding: Int
    let weight: Shape

    var name: String { "convolution-weight-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(weight)] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[1].shape.rows * weight.count, inputs, outputs)
    }
    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
      let taps = Taps(map: inputs[0].shape, weight: weight, stride: stride, padding: padding)
      let packed = dms_packed_count(taps.grain, taps.outputs)
      return Workspace(
        shared: taps.sections * weight.count * 4,
        scratch: (taps.gathered + dms_multiply_scratch(taps.columns) + packed) * 4)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (map, arriving, target) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.outputs[0].floats)
      let taps = Taps(map: operands.inputs[0].shape, weight: weight, stride: stride, padding: padding)
      let partial = operands.workspace.assumingMemoryBound(to: Float.self)
      let (count, sections, outputs) = (weight.count, taps.sections, taps.outputs)
      let beyond = dms_multiply_scratch(taps.columns)
      return [
        Phase(chunks: sections) { section, scratch in
          let first = taps.chunks * section / sections
          for chunk in first..<taps.chunks * (section + 1) / sections {
            let rows = taps.range(chunk)
            let packed = taps.beyond(scratch) + beyond
            var right = dms_matrix(values: arriving + rows.lowerBound * outputs, stride: outputs, transposed: 0)
            dms_pack(&right, rows.count, outputs, 1, 0, dms_pack_panels(rows.count, outputs), packed)
            var left = dms_matrix(values: taps.gather(map, rows, scratch), stride: taps.columns, transposed: 1)
            dms_multiply(
              &left, packed, taps.columns, outputs, rows.count, chunk > first ? 1 : 0, partial + section * count,
              outputs,
              taps.beyond(scratch))
          }
        },
        Phase.ranges(count, grain: elementGrain) { range in
          for i in range {
            var sum = partial[i]
            for section in 1..<max(1, sections) { sum += partial[section * count + i] }
            target[i] = sum
          }
        },
      ]
    }
  }
}

/// Packs the right side of a product, a few panels a chunk.
private func packing(_ right: dms_matrix, depth: Int, columns: Int, _ packed: UnsafeMutablePointer<Float>) -> Phase {
  Phase.ranges(dms_pack_panels(depth, columns), grain: 8) { panels in
    var right = right
    dms_pack(&right, depth, columns, 1, panels.lowerBound, panels.count, packed)
  }
}

/// The matrix form of one convolution and its chunks.
struct Taps {
  let rows, columns, inputs, outputs, grain: Int
  /// Whether the map itself is the matrix: a 1x1 kernel, stride 1, no padding.
  let isPlain: Bool
  private var geometry: dms_geometry

  init(map: Shape, weight: Shape, stride: Int, padding: Int) {
    let height = (map[1] + 2 * padding - weight[0]) / stride + 1
    let width = (map[2] + 2 * padding - weight[1]) / stride + 1
    geometry = dms_geometry(
      height: map[1], width: map[2], channels: map[3], out_height: height, out_width: width, kernel_height: weight[0],
      kernel_width: weight[1], stride: stride, padding: padding)
    rows = map[0] * height * width
    columns = weight[0] * weight[1] * weight[2]
    (inputs, outputs) = (weight[2], weight[3])
    isPlain = weight[0] == 1 && weight[1] == 1 && stride == 1 && padding == 0
    grain = max(48, min(480, 131_072 / columns / 48 * 48))
  }

  /// Floats of a chunk's rows where they must be gathered.
  var gathered: Int { isPlain ? 0 : (grain * columns + 15) / 16 * 16 }

  /// The scratch memory beyond a chunk's gathered rows.
  func beyond(_ scratch: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
    scratch.assumingMemoryBound(to: Float.self) + gathered
  }

  var chunks: Int { (rows + grain - 1) / grain }

  /// Parts of the rows whose products are summed apart and then joined in order.
  var sections: Int { min(8, chunks) }

  func range(_ chunk: Int) -> Range<Int> { chunk * grain..<min(rows, (chunk + 1) * grain) }

  /// The matrix's rows `rows`, in place or gathered into `scratch`.
  func gather(
    _ map: UnsafeMutablePointer<Float>, _ rows: Range<Int>, _ scratch: UnsafeMutableRawPointer
  ) -> UnsafeMutablePointer<Float> {
    if isPlain { return map + rows.lowerBound * columns }
    let target = scratch.assumingMemoryBound(to: Float.self)
    withUnsafePointer(to: geometry) { dms_gather_taps($0, map, rows.lowerBound, rows.count, target) }
    return target
  }

  /// Adds the matrix's rows back to the map they were gathered from.
  func scatter(_ columns: UnsafeMutablePointer<Float>, _ rows: Range<Int>, _ map: UnsafeMutablePointer<Float>) {
    if isPlain { return }
    withUnsafePointer(to: geometry) { dms_scatter_taps($0, columns, rows.lowerBound, rows.count, map) }
  }
}

extension Symbol {
  /// Convolution of a map [N,H,W,I] with a weight [kh,kw,I,O].
  public func convolution(_ weight: Symbol, stride: Int = 1, padding: Int = 0) throws -> Symbol {
    try graph.apply(Convolution(stride: stride, padding: padding), [self, weight])[0]
  }
}
