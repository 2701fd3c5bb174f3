import CKernels
import Graphs

extension BatchNorm {
  /// Sums over the batch that the gradient needs: gradient [..,C], map [..,C], coefficients [4,C] -> gradient of the weight
  /// [C], gradient of the bias [C], and rows a, b, d, scale, shift [5,C] with which the map's gradient is
  /// a * mask * gradient + b * map + d.
  struct Sums: Operation {
    let relu: Bool
    var name: String { "batch-norm-sums" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
      let channels = inputs[0].shape.channels
      return [TensorType([channels]), TensorType([channels]), TensorType([5, channels])]
    }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 7 * inputs[0].shape.count, inputs, outputs)
    }
    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
      let rows = Rows(inputs[0].shape)
      return Workspace(shared: rows.chunks * 2 * rows.channels * 4)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (arriving, x) = (operands.inputs[0].floats, operands.inputs[1].floats)
      let coefficients = operands.inputs[2].floats
      let (weightGradient, biasGradient) = (operands.outputs[0].floats, operands.outputs[1].floats)
      let rowsOut = operands.outputs[2].floats
      let partial = operands.workspace.assumingMemoryBound(to: Float.self)
      let rows = Rows(operands.inputs[0].shape)
      let c = rows.channels
      return [
        Phase(chunks: rows.chunks) { [relu] chunk, _ in
          let range = rows.range(chunk)
          let offset = range.lowerBound * c
          let sums = partial + chunk * 2 * c
          dms_gradient_sums(
            arriving + offset, x + offset, coefficients, coefficients + c, coefficients + 2 * c, coefficients + 3 * c,
            range.count, c, relu ? 1 : 0, sums, sums + c)
        },
        Phase.ranges(c, grain: 64) { range in
          for k in range {
            var (sum, product) = (0.0, 0.0)
            for chunk in 0..<rows.chunks {
              sum += Double(partial[chunk * 2 * c + k])
              product += Double(partial[(chunk * 2 + 1) * c + k])
            }
            weightGradient[k] = Float(product)
            biasGradient[k] = Float(sum)
            let (scale, mean, inverse) = (Double(coefficients[k]), Double(coefficients[2 * c + k]), Double(coefficients[3 * c + k]))
            let slope = -scale * inverse * product / Double(rows.count)
            rowsOut[k] = coefficients[k]
            rowsOut[c + k] = Float(slope)
            rowsOut[2 * c + k] = Float(-scale * sum / Double(rows.count) - slope * mean)
            rowsOut[3 * c + k] = coefficients[k]
            rowsOut[4 * c + k] = coefficients[c + k]
          }
        },
      ]
    }
  }

  /// The gradient of the map: gradient, map, rows [5,C] -> a * mask * gradient + b * map + d. Waits until it is loaded.
  struct Gradient: Operation {
    let relu: Bool
    var name: String { "batch-norm-gradient" }
    var isDeferrable: Bool { true }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 6 * inputs[0].shape.count, inputs, outputs)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (arriving, x) = (operands.inputs[0].floats, operands.inputs[1].floats)
      let (a, y) = (operands.inputs[2].floats, operands.outputs[0].floats)
      let c = operands.inputs[0].shape.channels
      return [
        Phase.ranges(operands.inputs[0].shape.rows, grain: elementGrain / c) { [relu] rows in
          let offset = rows.lowerBound * c
          dms_gradient_affine(
            arriving + offset, x + offset, a, a + c, a + 2 * c, a + 3 * c, a + 4 * c, rows.count, c, relu ? 1 : 0,
            y + offset)
        }
      ]
    }
  }
}

/// A map's rows cut into chunks of about `elementGrain` elements, at most 64 of them.
struct Rows {
  let count: Int
  let channels: Int
  let grain: Int
  let chunks: Int

  init(_ shape: Shape) {
    count = shape.rows
    channels = shape.channels
    grain = max(1, elementGrain / channels, (count + 63) / 64)
    chunks = (count + grain - 1) / grain
  }

  func range(_ chunk: Int) -> Range<Int> { chunk * grain..<min(count, (chunk + 1) * grain) }
}
