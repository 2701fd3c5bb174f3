import CKernels
import Graphs

extension BatchNorm {
  /// Sums over the batch that the gradient needs: gradient [..,C], map [..,C], coefficients [4,C] -> gradient of the weight
  /// [C], gradient of the bias [C], and rows b, d [2,C] with which the map's gradient is
  /// scale * mask * gradient + b * (map - mean) + d.
  struct Sums: Operation {
    let relu: Bool
    var pieces: Pieces?

    var name: String { "batch-norm-sums" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
      let channels = inputs[0].shape.channels
      return [TensorType([channels]), TensorType([channels]), TensorType([2, channels])]
    }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 7 * inputs[0].shape.count, inputs, outputs)
    }
    func following(_ input: Int, in pieces: Pieces) -> (any Operation)? {
      input == 0 ? Sums(relu: relu, pieces: pieces) : nil
    }
    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
      let pieces = pieces ?? Pieces(inputs[0].shape, elements: elementGrain)
      return Workspace(shared: pieces.rows.count * 2 * inputs[0].shape.channels * 8)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let source = dms_source(
        upstream: operands.inputs[0], x: operands.inputs[1], coefficients: operands.inputs[2], relu: relu)
      let norm = source.norm
      let (weightGradient, biasGradient) = (operands.outputs[0].floats, operands.outputs[1].floats)
      let slopes = operands.outputs[2].floats
      let partial = operands.workspace.assumingMemoryBound(to: Double.self)
      let shape = operands.inputs[0].shape
      let pieces = pieces ?? Pieces(shape, elements: elementGrain)
      let (c, across, parts) = (shape.channels, pieces.channels.count, pieces.rows.count)
      return [
        Phase(chunks: pieces.count) { chunk, _ in
          let (rows, span) = pieces[chunk]
          let sums = partial + chunk / across * 2 * c + span.lowerBound
          withUnsafePointer(to: source) {
            dms_gradient_sums($0, rows.lowerBound, rows.count, span.lowerBound, span.count, sums, sums + c)
          }
        },
        Phase.ranges(c, grain: Tuning.Elements.joined) { range in
          for k in range {
            var (sum, product) = (0.0, 0.0)
            for part in 0..<parts {
              sum += partial[part * 2 * c + k]
              product += partial[(part * 2 + 1) * c + k]
            }
            weightGradient[k] = Float(product)
            biasGradient[k] = Float(sum)
            let factor = -Double(norm.scale[k]) / Double(shape.rows)
            slopes[k] = Float(factor * Double(norm.inverse[k]) * product)
            slopes[c + k] = Float(factor * sum)
          }
        },
      ]
    }
  }

  /// The gradient of the map: gradient, map, coefficients [4,C], rows [2,C] of `Sums` -> its gradient, which is deferred
  /// until it is loaded.
  struct Gradient: Operation {
    let relu: Bool
    var name: String { "batch-norm-gradient" }
    var isDeferrable: Bool { true }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 6 * inputs[0].shape.count, inputs, outputs)
    }

    func phases(_ operands: Operands) -> [Phase] { [loading(self, operands)] }
  }
}
