import CKernels
import Graphs

import class Foundation.ProcessInfo

/// Convolution without bias over channels-last maps: [N,H,W,I] and weight [kh,kw,I,O] -> [N,H',W',O].
///
/// It runs as a product of matrices (`Taps`) or by Winograd's tiles (`Tiles`), whichever the shape makes cheaper. Batch norms
/// and their gradients are fused into it: what is pending is computed where maps and gradients are loaded.
struct Convolution: Operation {
  let stride: Int
  let padding: Int
  let algorithm: ConvolutionAlgorithm

  var name: String { "convolution" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let (map, weight) = (inputs[0].shape, inputs[1].shape)
    guard map.rank == 4, weight.rank == 4, map[3] == weight[2] else {
      throw misfit(self, inputs, "a map [N,H,W,I] and a weight [kh,kw,I,O] were expected")
    }
    guard map[1] + 2 * padding >= weight[0], map[2] + 2 * padding >= weight[1] else {
      throw misfit(self, inputs, "the kernel exceeds the padded map")
    }
    let extent = { (axis: Int) in (map[axis + 1] + 2 * padding - weight[axis]) / stride + 1 }
    return [TensorType([map[0], extent(0), extent(1), weight[3]], inputs[0].element)]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let (map, weight) = (context.inputs[0], context.inputs[1])
    let weightGradient = try map.graph.apply(
      WeightGradient(stride: stride, padding: padding, algorithm: algorithm, weight: weight.shape), [map, upstream])[0]
    guard context.wanted[0] else { return [nil, weightGradient] }
    let mapGradient = try map.graph.apply(
      MapGradient(stride: stride, padding: padding, algorithm: algorithm, map: map.shape), [upstream, weight])[0]
    return [mapGradient, weightGradient]
  }

  func absorbs(_ producer: any Operation, at input: Int) -> Bool { input == 0 && producer is BatchNorm }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * outputs[0].shape.rows * inputs[1].shape.count, inputs, outputs)
  }

  private func form(_ inputs: [TensorType]) -> any MapForm {
    let taps = Taps(map: inputs[0].shape, weight: inputs[1].shape, stride: stride, padding: padding)
    if let tiles = Tiles(taps, algorithm) { return tiles.product(isRotated: false) }
    return TapProduct(taps: taps, isTransposed: false)
  }

  func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace { form(inputs).workspace }

  func pieces(_ inputs: [TensorType], _ outputs: [TensorType]) -> Pieces? { form(inputs).pieces }

  func algorithm(_ inputs: [TensorType], _ outputs: [TensorType]) -> String { form(inputs).name }

  func phases(_ operands: Operands) -> [Phase] {
    form(operands.inputs.map(\.type)).phases(
      dms_source(operands.inputs[0]), weight: operands.inputs[1].floats, adds: false, operands.outputs[0].floats,
      operands.workspace.assumingMemoryBound(to: Float.self), companions: operands.companions.map(\.floats))
  }

  /// The gradient of the map: gradient of the output, weight [, addend] -> [N,H,W,I].
  struct MapGradient: Operation {
    let stride: Int
    let padding: Int
    let algorithm: ConvolutionAlgorithm
    let map: Shape
    var adds = false

    var name: String { "convolution-map-gradient" }
    var overwrites: Int? { adds ? 2 : nil }
    var accumulating: (any Operation)? {
      adds ? nil : MapGradient(stride: stride, padding: padding, algorithm: algorithm, map: map, adds: true)
    }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func absorbs(_ producer: any Operation, at input: Int) -> Bool { input == 0 && producer is BatchNorm.Gradient }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[0].shape.rows * inputs[1].shape.count, inputs, outputs)
    }

    /// With stride 1 a convolution of the gradient with the weight rotated; otherwise a product and col2im.
    private func form(_ inputs: [TensorType]) -> any MapForm {
      let taps = Taps(map: map, weight: inputs[1].shape, stride: stride, padding: padding)
      if let tiles = Tiles(taps, algorithm) { return tiles.rotated.product(isRotated: true) }
      return taps.isPlain ? TapProduct(taps: taps, isTransposed: true) : Col2imProduct(taps: taps)
    }
    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace { form(inputs).workspace }
    func pieces(_ inputs: [TensorType], _ outputs: [TensorType]) -> Pieces? { form(inputs).pieces }
    func algorithm(_ inputs: [TensorType], _ outputs: [TensorType]) -> String { form(inputs).name }

    func phases(_ operands: Operands) -> [Phase] {
      let (target, form) = (operands.outputs[0].floats, form(operands.inputs.map(\.type)))
      let phases = form.phases(
        dms_source(operands.inputs[0]), weight: operands.inputs[1].floats, adds: adds, target,
        operands.workspace.assumingMemoryBound(to: Float.self), companions: operands.companions.map(\.floats))
      guard adds, operands.inputs[2].floats != target else { return phases }
      let (addend, columns) = (operands.inputs[2].floats, map.channels)
      let copy = Phase.pieces(form.pieces) { rows, channels in
        for row in rows {
          let place = row * columns + channels.lowerBound
          (target + place).update(from: addend + place, count: channels.count)
        }
      }
      return [copy] + phases
    }
  }

  /// The gradient of the weight: map, gradient of the output -> [kh,kw,I,O].
  struct WeightGradient: Operation {
    let stride: Int
    let padding: Int
    let algorithm: ConvolutionAlgorithm
    let weight: Shape

    var name: String { "convolution-weight-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(weight)] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func absorbs(_ producer: any Operation, at input: Int) -> Bool {
      input == 0 ? producer is BatchNorm : producer is BatchNorm.Gradient
    }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[1].shape.rows * weight.count, inputs, outputs)
    }

    private func form(_ inputs: [TensorType]) -> any WeightForm {
      let taps = Taps(map: inputs[0].shape, weight: weight, stride: stride, padding: padding)
      if let tiles = Tiles(taps, algorithm) { return TileWeightGradient(tiles: tiles) }
      return SectionWeightGradient(taps) ?? BlockWeightGradient(taps)
    }
    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace { form(inputs).workspace }
    func algorithm(_ inputs: [TensorType], _ outputs: [TensorType]) -> String { form(inputs).name }

    func phases(_ operands: Operands) -> [Phase] {
      form(operands.inputs.map(\.type)).phases(
        dms_source(operands.inputs[0]), upstream: dms_source(operands.inputs[1]), operands.outputs[0].floats,
        operands.workspace.assumingMemoryBound(to: Float.self))
    }
  }
}

/// How a convolution is computed.
public enum ConvolutionAlgorithm: String, Sendable {
  /// As the cost of its shape says.
  case automatic
  /// As a product of matrices.
  case direct
  /// By Winograd's tiles where stride and taps allow.
  case winograd

  /// What the environment variable DMSNET_CONVOLUTION names, `automatic` without it.
  public static let preferred =
    ProcessInfo.processInfo.environment["DMSNET_CONVOLUTION"].flatMap(Self.init) ?? .automatic
}

/// A way to compute a map from a map and a weight.
protocol MapForm {
  /// For tables.
  var name: String { get }
  /// How the last phase finishes the output.
  var pieces: Pieces { get }
  var workspace: Workspace { get }

  /// target (+)= the map. A piece's part of `companions` is read soon after the piece is made.
  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, companions: [UnsafeMutablePointer<Float>]
  ) -> [Phase]
}

/// A way to compute the gradient of a weight.
protocol WeightForm {
  /// For tables.
  var name: String { get }
  var workspace: Workspace { get }

  /// target = the gradient.
  func phases(
    _ map: dms_source, upstream: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase]
}

extension Symbol {
  /// Convolution of a map [N,H,W,I] with a weight [kh,kw,I,O].
  public func convolution(
    _ weight: Symbol, stride: Int = 1, padding: Int = 0, algorithm: ConvolutionAlgorithm = .preferred
  ) throws -> Symbol {
    try graph.apply(Convolution(stride: stride, padding: padding, algorithm: algorithm), [self, weight])[0]
  }
}
