import CKernels
import Graphs

/// The end of a residual block (He et al. 2016): max(0, a + b). Either side may be a batch norm still to be applied.
struct ResidualSum: Operation {
  var name: String { "residual-sum" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0] == inputs[1] else { throw misfit(self, inputs, "both sides take one shape") }
    return [inputs[0]]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let arriving = context.gradients[0] else { return [nil, nil] }
    let masked = try arriving.graph.apply(Activation.Gradient(function: .relu), [arriving, context.outputs[0]])[0]
    return [masked, masked]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
  }

  func absorbs(_ producer: any Operation, at input: Int) -> Bool { (producer as? BatchNorm)?.relu == false }

  func phases(_ operands: Operands) -> [Phase] {
    func side(_ operand: Operand) -> (UnsafeMutablePointer<Float>, dms_norm?) {
      operand.deferred.map { ($0.inputs[0].floats, dms_norm($0.inputs[1])) } ?? (operand.floats, nil)
    }
    let (a, normA) = side(operands.inputs[0])
    let (b, normB) = side(operands.inputs[1])
    let y = operands.outputs[0].floats
    let c = operands.outputs[0].shape.channels
    return [
      Phase.ranges(operands.outputs[0].shape.rows, grain: elementGrain / c) { rows in
        let offset = rows.lowerBound * c
        withNorm(normA) { na in
          withNorm(normB) { nb in dms_residual(a + offset, na, b + offset, nb, rows.count, c, y + offset) }
        }
      }
    ]
  }
}

/// Lends a pointer to coefficients, or nil where there are none.
private func withNorm(_ norm: dms_norm?, _ body: (UnsafePointer<dms_norm>?) -> Void) {
  if let norm { withUnsafePointer(to: norm) { body($0) } } else { body(nil) }
}

extension Symbol {
  /// max(0, self + other).
  public func residualSum(_ other: Symbol) throws -> Symbol { try graph.apply(ResidualSum(), [self, other])[0] }
}
