import CKernels
import Graphs

/// Batch norm (Ioffe and Szegedy 2015), with an optional ReLU, over channels-last maps.
///
/// It is three operations. `BatchMoments` measures the batch; `BatchNormCoefficients` turns moments, weight and bias into
/// scale, bias and mean of each channel; `BatchNorm` applies them, and waits with that until a consumer loads the value. The
/// gradient rule of `BatchNorm` accounts for the moments' dependence on the map, so theirs is empty.
struct BatchNorm: Operation {
  /// Whether negative results become zero.
  let relu: Bool
  /// Whether scale and shift depend on the map itself: in training, not in evaluation.
  let isTraining: Bool

  var name: String { "batch-norm" }
  var isDeferrable: Bool { true }
  var readsRests: Bool { true }

  /// Inputs: map [N,H,W,C], coefficients [4,C] (scale, bias, mean, inverse deviation), weight [C], bias [C].
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let channels = inputs[0].shape.channels
    guard inputs[1].shape == [4, channels], inputs[2].shape == [channels], inputs[3].shape == [channels] else {
      throw misfit(self, inputs, "coefficients, weight and bias take \(channels) channels")
    }
    return [inputs[0]]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let arriving = context.gradients[0] else { return [nil, nil, nil, nil] }
    guard isTraining else { throw Failure(.usage, "\(name): no gradient in evaluation") }
    let (x, coefficients) = (context.inputs[0], context.inputs[1])
    let sums = try x.graph.apply(Sums(relu: relu), [arriving, x, coefficients])
    let dx = try x.graph.apply(Gradient(relu: relu), [arriving, x, coefficients, sums[2]])[0]
    return [dx, nil, sums[0], sums[1]]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 3 * inputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] { [loading(self, operands)] }
}

/// Computes what `operation` would defer, where a consumer wants it in memory.
func loading(_ operation: any Operation, _ operands: Operands) -> Phase {
  let output = operands.outputs[0]
  let source = dms_source(pending: operation, operands.inputs)
  let (target, channels) = (output.floats, output.shape.channels)
  return Phase.pieces(Pieces(output.shape, elements: elementGrain)) { rows, _ in
    if let rests = output.rests {
      withUnsafePointer(to: source) {
        dms_exact_sum($0, nil, $0.pointee.relu, rows.lowerBound, rows.count, 0, channels, target, rests)
      }
    } else {
      source.load(rows, 0..<channels, target + rows.lowerBound * channels, step: channels)
    }
  }
}

/// Mean and biased variance of each channel, with rests: map [..,C] -> [2,C].
struct BatchMoments: Operation {
  var pieces: Pieces?

  var name: String { "batch-moments" }
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    [TensorType([2, inputs[0].shape.channels], hasRests: true)]
  }
  var readsRests: Bool { true }
  func gradient(_ context: GradientContext) throws -> [Symbol?] { [nil] }
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 4 * inputs[0].shape.count, inputs, outputs)
  }
  func following(_ input: Int, in pieces: Pieces) -> (any Operation)? { BatchMoments(pieces: pieces) }
  func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
    let pieces = pieces ?? Pieces(inputs[0].shape, elements: elementGrain)
    return Workspace(shared: pieces.rows.count * 2 * inputs[0].shape.channels * 8)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (x, rests) = (operands.inputs[0].floats, operands.inputs[0].rests)
    let result = operands.outputs[0].values
    let partial = operands.workspace.assumingMemoryBound(to: Double.self)
    let shape = operands.inputs[0].shape
    let pieces = pieces ?? Pieces(shape, elements: elementGrain)
    let channels = shape.channels
    let across = pieces.channels.count
    return [
      // Differences from a piece's first row keep the squares small (Chan, Golub and LeVeque 1983).
      Phase(chunks: pieces.count) { chunk, _ in
        let (rows, span) = pieces[chunk]
        let first = x + rows.lowerBound * channels + span.lowerBound
        let sums = partial + chunk / across * 2 * channels + span.lowerBound
        if let rests {
          dms_exact_moments(
            first, rests + (first - x), rows.count, channels, span.count, sums, sums + channels)
        } else {
          dms_moments(first, first, rows.count, channels, span.count, sums, sums + channels)
        }
      },
      Phase.ranges(channels, grain: 64) { range in
        for channel in range {
          // Pieces are joined about the first one's origin, in double precision.
          let origin = Double(x[channel])
          var (sum, squares) = (0.0, 0.0)
          for (index, rows) in pieces.rows.enumerated() where !rows.isEmpty {
            let shift = Double(x[rows.lowerBound * channels + channel]) - origin
            let (own, ownSquares) = (
              partial[index * 2 * channels + channel], partial[(index * 2 + 1) * channels + channel]
            )
            sum += own + Double(rows.count) * shift
            squares += ownSquares + shift * (2 * own + Double(rows.count) * shift)
          }
          let mean = sum / Double(shape.rows)
          result[channel] = origin + mean
          result[channels + channel] = max(0, squares / Double(shape.rows) - mean * mean)
        }
      },
    ]
  }
}

/// Moments [2,C] (or running mean and variance), weight, bias -> [4,C], with rests: scale, bias, mean, inverse deviation.
struct BatchNormCoefficients: Operation {
  /// Added to the variance, as PyTorch does.
  static let epsilon = 1e-5
  var name: String { "batch-norm-coefficients" }
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    [TensorType([4, inputs[0].shape.channels], hasRests: true)]
  }
  var readsRests: Bool { true }
  func gradient(_ context: GradientContext) throws -> [Symbol?] { context.inputs.map { _ in nil } }
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 5 * inputs[0].shape.channels, inputs, outputs)
  }

  /// Inputs: weight, bias and either moments [2,C] or running mean [C] and running variance [C].
  func phases(_ operands: Operands) -> [Phase] {
    let (weight, bias) = (operands.inputs[0].floats, operands.inputs[1].floats)
    let channels = operands.inputs[0].shape.channels
    let hasMoments = operands.inputs.count == 3
    let (moments, result) = (operands.inputs[2].values, operands.outputs[0].values)
    return [
      Phase.ranges(channels, grain: 1024) { range in
        for c in range {
          let variance = hasMoments ? moments[channels + c] : operands.inputs[3].values[c]
          let inverse = 1 / (variance + Self.epsilon).squareRoot()
          let mean = moments[c]
          let scale = Double(weight[c]) * inverse
          result[c] = scale
          // What float32 leaves of the mean goes into the bias, so that no map is shifted by it.
          result[channels + c] = Double(bias[c]) - scale * (mean - Double(Float(mean)))
          result[2 * channels + c] = mean
          result[3 * channels + c] = inverse
        }
      }
    ]
  }
}

/// Moves running mean and variance a tenth of the way to the batch's, the variance unbiased, and counts the batch.
struct RunningStatistics: Operation {
  /// The rows that the moments were taken over.
  let rows: Int
  /// The share of the new batch.
  static let momentum: Float = 0.1

  var name: String { "running-statistics" }
  var hasEffect: Bool { true }
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [] }
  func gradient(_ context: GradientContext) throws -> [Symbol?] { context.inputs.map { _ in nil } }
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 6 * inputs[1].shape.count, inputs, outputs)
  }

  /// Inputs: moments [2,C], running mean [C], running variance [C], batches counted (int64).
  func phases(_ operands: Operands) -> [Phase] {
    let moments = operands.inputs[0].floats
    let (mean, variance) = (operands.inputs[1].floats, operands.inputs[2].floats)
    let batches = operands.inputs[3].address.assumingMemoryBound(to: Int64.self)
    let channels = operands.inputs[1].shape.count
    let unbiased = Float(Double(rows) / Double(max(1, rows - 1)))
    return [
      Phase(chunks: 1) { _, _ in
        for c in 0..<channels {
          mean[c] += Self.momentum * (moments[c] - mean[c])
          variance[c] += Self.momentum * (moments[channels + c] * unbiased - variance[c])
        }
        batches[0] &+= 1  // A file may have brought any number.
      }
    ]
  }
}

/// The trained and kept tensors of one batch norm.
public struct BatchNormVariables {
  let weight, bias, runningMean, runningVariance, batches: Symbol

  /// Declares `prefix.weight`, `.bias`, `.running_mean`, `.running_var` and `.num_batches_tracked`.
  public init(_ graph: Graph, _ prefix: String, channels: Int) {
    let type = TensorType([channels])
    func declare(_ name: String, _ role: Variable.Role, _ value: Float) -> Symbol {
      graph.variable(Variable("\(prefix).\(name)", type, role, start: .constant(value)))
    }
    weight = declare("weight", .parameter(decays: false), 1)
    bias = declare("bias", .parameter(decays: false), 0)
    runningMean = declare("running_mean", .state, 0)
    runningVariance = declare("running_var", .state, 1)
    batches = graph.variable(
      Variable("\(prefix).num_batches_tracked", TensorType([], .int64), .state, start: .constant(0)))
  }
}

extension Symbol {
  /// Batch norm over all axes but the last, then ReLU where asked: with the batch's own moments in training, which move the
  /// running ones, and with the running ones otherwise.
  public func batchNorm(_ variables: BatchNormVariables, relu: Bool, isTraining: Bool) throws -> Symbol {
    let (weight, bias) = (variables.weight, variables.bias)
    let coefficients: Symbol
    if isTraining {
      let moments = try graph.apply(BatchMoments(), [self])[0]
      _ = try graph.apply(
        RunningStatistics(rows: shape.rows),
        [moments, variables.runningMean, variables.runningVariance, variables.batches])
      coefficients = try graph.apply(BatchNormCoefficients(), [weight, bias, moments])[0]
    } else {
      coefficients = try graph.apply(
        BatchNormCoefficients(), [weight, bias, variables.runningMean, variables.runningVariance])[0]
    }
    return try graph.apply(BatchNorm(relu: relu, isTraining: isTraining), [self, coefficients, weight, bias])[0]
  }
}
