import CKernels
import Operations

extension BatchMoments {
  func lowering(_ context: LoweringContext, _ place: StepPlace?) -> Lowering {
    let channels = context.inputs[0].shape.channels
    let pieces = context.pieces ?? Pieces(context.inputs[0].shape, elements: elementGrain)
    return Lowering(workspace: Workspace(shared: pieces.rows.count * 2 * channels * 8)) { operands in
      phases(
        operands, MapMoments(operands.inputs[0], pieces, operands.workspace.assumingMemoryBound(to: Double.self)), place
      )
    }
  }

  private func phases(_ operands: Operands, _ own: MapMoments, _ place: StepPlace?) -> [Phase] {
    let moments = operands.outputs[0].floats
    let coefficients = ChannelCoefficients(
      weight: operands.inputs[1], bias: operands.inputs[2], target: operands.outputs[1])
    let shape = operands.inputs[0].shape
    let channels = shape.channels
    func finish(_ channel: Int, _ mean: Double, _ variance: Double) {
      moments[channel] = Float(mean)
      moments[channels + channel] = Float(variance)
      coefficients.set(channel, mean: mean, variance: variance)
    }
    func joining(_ body: @escaping (_ channel: Int) -> Void) -> Phase {
      Phase.ranges(channels, grain: Tuning.Elements.joined) { range in for channel in range { body(channel) } }
    }
    guard let stepRows, let place else {
      return [
        own.summing,
        joining { channel in
          let (mean, variance) = own[channel]
          finish(channel, mean, variance)
        },
      ]
    }
    // A micro-batch's row: means, variances, and its share of the step's rows.
    let columns = 2 * channels + 1
    return [
      own.summing,
      joining { channel in
        let row = place.row(columns)
        (row[channel], row[channels + channel]) = own[channel]
        if channel == 0 { row[2 * channels] = Double(shape.rows) / Double(stepRows) }
      },
      .meeting(columns),
      joining { channel in
        let mean = place.sum(columns) { $0[2 * channels] * $0[channel] }
        let variance = place.sum(columns) { row in
          let shift = row[channel] - mean
          return row[2 * channels] * (row[channels + channel] + shift * shift)
        }
        finish(channel, mean, variance)
      },
    ]
  }
}

/// Mean and biased variance of each channel of a map, from sums over its pieces.
private struct MapMoments {
  private let x: UnsafeMutablePointer<Float>
  private let shape: Shape
  private let pieces: Pieces
  private let partial: UnsafeMutablePointer<Double>

  /// `partial`: room for two sums a channel and piece of rows.
  init(_ map: Operand, _ pieces: Pieces, _ partial: UnsafeMutablePointer<Double>) {
    (x, shape, self.pieces, self.partial) = (map.floats, map.shape, pieces, partial)
  }

  /// Sums each piece. Differences from a piece's first row keep the squares small (Chan, Golub and LeVeque 1983).
  var summing: Phase {
    let (channels, across) = (shape.channels, pieces.channels.count)
    return Phase(chunks: pieces.count) { chunk, _ in
      let (rows, span) = pieces[chunk]
      let first = x + rows.lowerBound * channels + span.lowerBound
      let sums = partial + chunk / across * 2 * channels + span.lowerBound
      dms_moments(first, first, rows.count, channels, span.count, sums, sums + channels)
    }
  }

  /// The moments of a channel: pieces are joined about the first one's origin, in double precision.
  subscript(channel: Int) -> (mean: Double, variance: Double) {
    let channels = shape.channels
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
    let shifted = sum / Double(shape.rows)
    return (origin + shifted, max(0, squares / Double(shape.rows) - shifted * shifted))
  }
}

extension BatchNormCoefficients {
  func phases(_ operands: Operands) -> [Phase] {
    let (mean, variance) = (operands.inputs[2].floats, operands.inputs[3].floats)
    let coefficients = ChannelCoefficients(
      weight: operands.inputs[0], bias: operands.inputs[1], target: operands.outputs[0])
    return [
      Phase.ranges(operands.inputs[0].shape.channels, grain: Tuning.Elements.coefficients) { range in
        for c in range { coefficients.set(c, mean: Double(mean[c]), variance: Double(variance[c])) }
      }
    ]
  }
}

extension RunningStatistics {
  /// Inputs: moments [2,C], running mean [C], running variance [C], batches counted (int64). Of programs that run side by side, which
  /// have the same moments and the same running ones, the first moves these.
  func lowering(_ context: LoweringContext, _ place: StepPlace?) -> Lowering {
    let isFirst = place?.number ?? 0 == 0
    return Lowering { isFirst ? phases($0) : [Phase(chunks: 0) { _, _ in }] }
  }

  private func phases(_ operands: Operands) -> [Phase] {
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

/// Where coefficients [4,C] go, scale, bias, mean and inverse deviation of each channel, and the weight and bias they come from.
private struct ChannelCoefficients {
  /// Added to the variance, as PyTorch does.
  static let epsilon = 1e-5

  private let channels: Int
  private let weight, bias, target: UnsafeMutablePointer<Float>

  init(weight: Operand, bias: Operand, target: Operand) {
    channels = weight.shape.count
    (self.weight, self.bias, self.target) = (weight.floats, bias.floats, target.floats)
  }

  func set(_ channel: Int, mean: Double, variance: Double) {
    let inverse = 1 / (variance + Self.epsilon).squareRoot()
    let scale = Double(weight[channel]) * inverse
    target[channel] = Float(scale)
    // What float32 leaves of the mean goes into the bias, so that no map is shifted by it.
    target[channels + channel] = Float(Double(bias[channel]) - scale * (mean - Double(Float(mean))))
    target[2 * channels + channel] = Float(mean)
    target[3 * channels + channel] = Float(inverse)
  }
}
