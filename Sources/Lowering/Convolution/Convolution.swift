import CKernels
import Operations

extension Convolution {
  /// A product of matrices (`Taps`) or Winograd's tiles (`Tiles`).
  func lowering(_ context: LoweringContext, _ algorithm: ConvolutionAlgorithm) -> Lowering {
    let taps = Taps(
      map: context.inputs[0].shape, weight: context.inputs[1].shape, stride: stride, padding: padding)
    let form: any MapForm =
      Tiles(taps, algorithm)?.product(isRotated: false) ?? TapProduct(taps: taps, isTransposed: false)
    return form.lowering { form.phases($0, adds: false) }
  }
}

extension Convolution.MapGradient {
  /// With stride 1 a convolution of the gradient with the weight rotated; otherwise a product and col2im.
  func lowering(_ context: LoweringContext, _ algorithm: ConvolutionAlgorithm) -> Lowering {
    let taps = Taps(map: map, weight: context.inputs[1].shape, stride: stride, padding: padding)
    let product: any MapForm = taps.isPlain ? TapProduct(taps: taps, isTransposed: true) : Col2imProduct(taps: taps)
    let form = Tiles(taps, algorithm)?.rotated.product(isRotated: true) ?? product
    return form.lowering { operands in
      let (phases, target) = (form.phases(operands, adds: adds), operands.outputs[0].floats)
      guard adds, operands.inputs[2].floats != target else { return phases }
      // The addend lies elsewhere, because something else still reads it.
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
}

extension Convolution.WeightGradient {
  func lowering(_ context: LoweringContext, _ algorithm: ConvolutionAlgorithm) -> Lowering {
    let taps = Taps(map: context.inputs[0].shape, weight: weight, stride: stride, padding: padding)
    let product: any WeightForm =
      SectionWeightGradient(taps, adds: adds) ?? BlockWeightGradient(taps, adds: adds)
    let form = Tiles(taps, algorithm).map { TileWeightGradient(tiles: $0, adds: adds) } ?? product
    return Lowering(workspace: form.workspace, algorithm: form.name) { operands in
      let target = operands.outputs[0].floats
      let phases = form.phases(
        dms_source(operands.inputs[0]), upstream: dms_source(operands.inputs[1]), target,
        operands.workspace.assumingMemoryBound(to: Float.self))
      guard adds, operands.inputs[2].floats != target else { return phases }
      let addend = operands.inputs[2].floats
      let copy = Phase.ranges(weight.count, grain: elementGrain) { range in
        (target + range.lowerBound).update(from: addend + range.lowerBound, count: range.count)
      }
      return [copy] + phases
    }
  }
}

/// A way to compute a map from a map and a weight.
protocol MapForm {
  /// For tables.
  var name: String { get }
  /// How the last phase finishes the output.
  var pieces: Pieces { get }
  var workspace: Workspace { get }

  /// target (+)= the map. `next` is what is read of each piece soon after it is made.
  func phases(
    _ map: dms_source, weight: UnsafeMutablePointer<Float>, adds: Bool, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>, next: [UnsafeMutablePointer<Float>]
  ) -> [Phase]
}

/// A way to compute the gradient of a weight.
protocol WeightForm {
  /// For tables.
  var name: String { get }
  var workspace: Workspace { get }

  /// target = the gradient, or += it: the whole gradient is summed before it is added, so that the bits are those of a sum of two
  /// gradients.
  func phases(
    _ map: dms_source, upstream: dms_source, _ target: UnsafeMutablePointer<Float>,
    _ workspace: UnsafeMutablePointer<Float>
  ) -> [Phase]
}

extension MapForm {
  fileprivate func lowering(_ phases: @escaping (Operands) -> [Phase]) -> Lowering {
    Lowering(workspace: workspace, pieces: pieces, algorithm: name, phases)
  }

  fileprivate func phases(_ operands: Operands, adds: Bool) -> [Phase] {
    phases(
      dms_source(operands.inputs[0]), weight: operands.inputs[1].floats, adds: adds, operands.outputs[0].floats,
      operands.workspace.assumingMemoryBound(to: Float.self), next: operands.readNext.map(\.floats))
  }
}

extension Operands {
  /// What parts that follow read of the shape of output 0, and the step does not make.
  fileprivate var readNext: [Operand] {
    var made = Set(outputs.map(\.address))
    return followers.flatMap { follower in
      defer { made.formUnion(follower.outputs.map(\.address)) }
      return follower.inputs.flatMap(\.sources).filter { $0.type == outputs[0].type && !made.contains($0.address) }
    }
  }
}
