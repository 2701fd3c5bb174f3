import CKernels
import Graphs

/// Maximum over square windows of channels-last maps; outside the map lies minus infinity.
///
/// Output 1 keeps which tap won (the first of equals, as in PyTorch), a byte an element, for the gradient.
struct MaxPool: Operation {
  let kernel: Int
  let stride: Int
  let padding: Int

  var name: String { "max-pool" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let map = inputs[0].shape
    guard map.rank == 4, map[1] + 2 * padding >= kernel, map[2] + 2 * padding >= kernel, kernel * kernel < 256 else {
      throw misfit(self, inputs, "a map [N,H,W,C] no smaller than \(kernel) was expected")
    }
    let extent = { (axis: Int) in (map[axis] + 2 * padding - kernel) / stride + 1 }
    let shape: Shape = [map[0], extent(1), extent(2), map[3]]
    return [TensorType(shape), TensorType(shape, .uint8)]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil] }
    return try upstream.graph.apply(
      Gradient(pool: self, map: context.inputs[0].shape), [upstream, context.outputs[1]])
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: outputs[0].shape.count * kernel * kernel, inputs, outputs)
  }

  /// The geometry of the windows on a map.
  func geometry(_ map: Shape, _ output: Shape) -> dms_geometry {
    dms_geometry(
      height: map[1], width: map[2], channels: map[3], out_height: output[1], out_width: output[2],
      kernel_height: kernel,
      kernel_width: kernel, stride: stride, padding: padding)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let geometry = geometry(operands.inputs[0].shape, operands.outputs[0].shape)
    let (map, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let taps = operands.outputs[1].address.assumingMemoryBound(to: UInt8.self)
    let lines = operands.outputs[0].shape[0] * operands.outputs[0].shape[1]
    return [
      Phase.ranges(lines, grain: 4) { range in
        withUnsafePointer(to: geometry) { dms_max_pool($0, map, range.lowerBound, range.count, target, taps) }
      }
    ]
  }

  /// The gradient of the map: gradient of the output, winning taps -> [N,H,W,C].
  struct Gradient: Operation {
    let pool: MaxPool
    let map: Shape
    var name: String { "max-pool-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: inputs[0].shape.count, inputs, outputs)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let geometry = pool.geometry(map, operands.inputs[0].shape)
      let (upstream, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
      let taps = operands.inputs[1].address.assumingMemoryBound(to: UInt8.self)
      return [
        Phase.ranges(map[0] * map[1], grain: 4) { range in
          withUnsafePointer(to: geometry) {
            dms_max_pool_gradient($0, upstream, taps, range.lowerBound, range.count, target)
          }
        }
      ]
    }
  }
}

extension Symbol {
  /// The maximum over windows of `kernel` by `kernel`.
  public func maxPool(kernel: Int, stride: Int, padding: Int) throws -> Symbol {
    try graph.apply(MaxPool(kernel: kernel, stride: stride, padding: padding), [self])[0]
  }
}
