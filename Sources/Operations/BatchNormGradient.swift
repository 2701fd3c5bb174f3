import CKernels
import Graphs

extension BatchNorm {
  /// Sums over the batch that the gradient needs: gradient [..,C], map [..,C], coefficients [4,C] -> gradient of the weight
  /// [C], gradient of the bias [C], and rows b, d [2,C] with which the map's gradient is
  /// scale * mask * gradient + b * (map - mean) + d.
  struct Sums: Operation {
    let relu: Bool
    var name: String { "batch-norm-sums" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
      let channels = inputs[0].shape.channels
      return [TensorType([channels]), TensorType([channels]), TensorType([2, channels])]
    }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 7 * inputs[0].shape.count, inputs, outputs)
    }
    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
      let rows = Rows(inputs[0].shape)
      return Workspace(shared: rows.chunks * 2 * rows.channels * 8)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (arriving, x) = (operands.inputs[0].floats, operands.inputs[1].floats)
      let norm = dms_norm(operands.inputs[2])
      let (weightGradient, biasGradient) = (operands.outputs[0].floats, operands.outputs[1].floats)
      let rest = operands.outputs[2].floats
      let partial = operands.workspace.assumingMemoryBound(to: Double.self)
      let rows = Rows(operands.inputs[0].shape)
      let c = rows.channels
      return [
        rows.phase { [relu] chunk, range, span in
          let offset = range.lowerBound * c
          let sums = partial + chunk * 2 * c + span.lowerBound
          withUnsafePointer(to: norm) {
            dms_gradient_sums(
              arriving + offset, x + offset, $0, range.count, c, span.lowerBound, span.count, relu ? 1 : 0, sums,
              sums + c)
          }
        },
        Phase.ranges(c, grain: 64) { range in
          for k in range {
            var (sum, product) = (0.0, 0.0)
            for chunk in 0..<rows.chunks {
              sum += partial[chunk * 2 * c + k]
              product += partial[(chunk * 2 + 1) * c + k]
            }
            weightGradient[k] = Float(product)
            biasGradient[k] = Float(sum)
            let factor = -Double(norm.scale[k]) / Double(rows.count)
            rest[k] = Float(factor * Double(norm.inverse[k]) * product)
            rest[c + k] = Float(factor * sum)
          }
        },
      ]
    }
  }

  /// The gradient of the map: gradient, map, coefficients [4,C], rows [2,C] of `Sums` -> its gradient. Waits until it is
  /// loaded.
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
      let norm = dms_norm(operands.inputs[2])
      let (rest, y) = (operands.inputs[3].floats, operands.outputs[0].floats)
      let c = operands.inputs[0].shape.channels
      return [
        Phase.ranges(operands.inputs[0].shape.rows, grain: elementGrain / c) { [relu] rows in
          let offset = rows.lowerBound * c
          withUnsafePointer(to: norm) {
            dms_normalise_gradient(
              arriving + offset, x + offset, $0, rest, rest + c, rows.count, c, relu ? 1 : 0, y + offset)
          }
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

  /// A phase over the chunks; `body` sees the rows of a chunk and a span of channels narrow enough for the kernels.
  func phase(_ body: @escaping (_ chunk: Int, _ rows: Range<Int>, _ channels: Range<Int>) -> Void) -> Phase {
    let width = Int(DMS_CHANNELS)
    return Phase(chunks: chunks) { chunk, _ in
      var first = 0
      while first < channels {
        body(chunk, range(chunk), first..<min(channels, first + width))
        first += width
      }
    }
  }
}
