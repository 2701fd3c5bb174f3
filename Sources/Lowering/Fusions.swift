import CKernels
import Operations

extension FusionRule {
  /// What this processor's kernels do in one pass over memory.
  static let all: [FusionRule] = [
    // Kernels load maps and gradients as a `dms_source`, which applies batch norm, ReLU and their gradient.
    .loading(BatchNorm.self, in: Convolution.self, at: 0),
    .loading(BatchNorm.self, in: Convolution.WeightGradient.self, at: 0),
    .loading(BatchNorm.self, in: ResidualSum.self, at: 0, 1) { !$0.relu },
    .loading(BatchNorm.Gradient.self, in: Convolution.MapGradient.self, at: 0),
    .loading(BatchNorm.Gradient.self, in: Convolution.WeightGradient.self, at: 1),
    // What is done to each piece of a map while it is in the core's cache.
    .following(Convolution.self, by: BatchMoments.self, at: 0),
    .following(Convolution.self, by: ResidualSum.self, at: 0, 1),
    .following(ResidualSum.self, by: ResidualSum.self, at: 0, 1),
    .following(Convolution.MapGradient.self, by: ResidualSum.Gradient.self, at: 0),
    .following(Convolution.MapGradient.self, by: BatchNorm.Sums.self, at: 0),
    .following(ResidualSum.Gradient.self, by: BatchNorm.Sums.self, at: 0),
    // Products are added to what is there (beta = 1) instead of being summed afterwards.
    .accumulating(Convolution.MapGradient.self, summedBy: Arithmetic.self) { gradient, sum in
      sum.function == .add ? gradient.accumulating : nil
    },
    .accumulating(Convolution.WeightGradient.self, summedBy: Arithmetic.self) { gradient, sum in
      sum.function == .add ? gradient.accumulating : nil
    },
  ]
}

extension dms_source {
  /// The rows that `operation`, the producer of a rule `loading`, would compute from `inputs`.
  init(pending operation: any Operation, _ inputs: [Operand]) {
    switch operation {
    case let norm as BatchNorm:
      self.init(
        x: inputs[0].floats, stride: inputs[0].shape.channels, norm: dms_norm(inputs[1]), relu: norm.relu ? 1 : 0,
        upstream: nil, slope: nil, offset: nil)
    case let gradient as BatchNorm.Gradient:
      self.init(
        upstream: inputs[0], x: inputs[1], coefficients: inputs[2], relu: gradient.relu, slopes: inputs[3].floats)
    default: preconditionFailure("\(operation.name) cannot be computed on loading")
    }
  }
}
