import CKernels
import Operations

extension BatchNorm {
  func phases(_ operands: Operands) -> [Phase] { [loading(self, operands)] }
}

extension BatchNorm.Gradient {
  func phases(_ operands: Operands) -> [Phase] { [loading(self, operands)] }
}

/// Writes to memory what consumers of `operation` would compute on loading.
private func loading(_ operation: any Operation, _ operands: Operands) -> Phase {
  let output = operands.outputs[0]
  let source = dms_source(pending: operation, operands.inputs)
  let (target, channels) = (output.floats, output.shape.channels)
  return Phase.pieces(Pieces(output.shape, elements: elementGrain)) { rows, _ in
    source.load(rows, 0..<channels, target + rows.lowerBound * channels, step: channels)
  }
}
