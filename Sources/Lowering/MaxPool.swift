import CKernels
import Operations

extension MaxPool {
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
}

extension MaxPool.Gradient {
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
