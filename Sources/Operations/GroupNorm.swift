import Graphs

/// Group norm (Wu and He 2018) over channels-last maps and layer norm (Ba et al. 2016) over the last axis: the tensor is
/// seen as [instances, rows, channels] and each group of channels of an instance is brought to mean 0 and variance 1, then
/// scaled and shifted by channel. Layer norm is one group with one row an instance.
struct GroupNorm: Operation {
  let groups: Int
  /// Whether all axes between the first and the last belong to one instance; otherwise each row is one.
  let spansRows: Bool
  /// Added to the variance.
  static let epsilon = 1e-5

  var name: String { spansRows ? "group-norm" : "layer-norm" }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let channels = inputs[0].shape.channels
    guard channels % groups == 0, inputs[1].shape == [channels], inputs[2].shape == [channels] else {
      throw misfit(self, inputs, "\(groups) groups, weight and bias of the channels were expected")
    }
    return [inputs[0]]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil, nil] }
    return try upstream.graph.apply(Gradient(norm: self), [upstream, context.inputs[0], context.inputs[1]])
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 8 * inputs[0].shape.count, inputs, outputs)
  }

  /// Instances, and the rows and channels of each.
  func extents(_ shape: Shape) -> (instances: Int, rows: Int, channels: Int) {
    spansRows ? (shape[0], shape.rows / shape[0], shape.channels) : (shape.rows, 1, shape.channels)
  }

  /// Mean and inverse deviation of a group of the instance that begins at element `first`.
  static func moments(_ x: UnsafePointer<Float>, _ first: Int, rows: Int, channels: Int, group: Range<Int>) -> (
    mean: Double, inverse: Double
  ) {
    var (sum, squares) = (0.0, 0.0)
    for row in 0..<rows { for k in group { sum += Double(x[first + row * channels + k]) } }
    let mean = sum / Double(rows * group.count)
    for row in 0..<rows {
      for k in group {
        let difference = Double(x[first + row * channels + k]) - mean
        squares += difference * difference
      }
    }
    return (mean, 1 / (squares / Double(rows * group.count) + epsilon).squareRoot())
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (x, weight, bias) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
    let y = operands.outputs[0].floats
    let (instances, rows, channels) = extents(operands.inputs[0].shape)
    let width = channels / groups
    return [
      Phase.ranges(instances, grain: max(1, Tuning.Elements.doubles / (rows * channels))) { [groups] range in
        for instance in range {
          let offset = instance * rows * channels
          for group in 0..<groups {
            let span = group * width..<(group + 1) * width
            let (mean, inverse) = Self.moments(x, offset, rows: rows, channels: channels, group: span)
            for row in 0..<rows {
              for k in span {
                let i = offset + row * channels + k
                y[i] = Float((Double(x[i]) - mean) * inverse * Double(weight[k]) + Double(bias[k]))
              }
            }
          }
        }
      }
    ]
  }

  /// gradient, input, weight -> gradients of input, weight and bias.
  struct Gradient: Operation {
    let norm: GroupNorm
    var name: String { norm.name + "-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[1], inputs[2], inputs[2]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 16 * inputs[0].shape.count, inputs, outputs)
    }

    private func grain(_ instances: Int, _ count: Int) -> Int {
      let most = Tuning.Elements.mostPartialSums
      return max(1, Tuning.Elements.doubles / count, (instances + most - 1) / most)
    }

    func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace {
      let (instances, rows, channels) = norm.extents(inputs[0].shape)
      let grain = grain(instances, rows * channels)
      return Workspace(shared: (instances + grain - 1) / grain * 2 * channels * 8)
    }

    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, x, weight) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
      let (dx, dweight, dbias) = (operands.outputs[0].floats, operands.outputs[1].floats, operands.outputs[2].floats)
      let partial = operands.workspace.assumingMemoryBound(to: Double.self)
      let (instances, rows, channels) = norm.extents(operands.inputs[0].shape)
      let (groups, width) = (norm.groups, channels / norm.groups)
      let grain = grain(instances, rows * channels)
      let chunks = (instances + grain - 1) / grain
      return [
        Phase(chunks: chunks) { chunk, _ in
          let sums = partial + chunk * 2 * channels
          sums.update(repeating: 0, count: 2 * channels)
          for instance in chunk * grain..<min(instances, (chunk + 1) * grain) {
            let offset = instance * rows * channels
            for group in 0..<groups {
              let span = group * width..<(group + 1) * width
              let (mean, inverse) = GroupNorm.moments(x, offset, rows: rows, channels: channels, group: span)
              var (first, second) = (0.0, 0.0)
              for row in 0..<rows {
                for k in span {
                  let i = offset + row * channels + k
                  let normal = (Double(x[i]) - mean) * inverse
                  let g = Double(upstream[i])
                  sums[k] += g * normal
                  sums[channels + k] += g
                  first += g * Double(weight[k])
                  second += g * Double(weight[k]) * normal
                }
              }
              let count = Double(rows * width)
              for row in 0..<rows {
                for k in span {
                  let i = offset + row * channels + k
                  let normal = (Double(x[i]) - mean) * inverse
                  dx[i] = Float(inverse * (Double(upstream[i] * weight[k]) - first / count - normal * second / count))
                }
              }
            }
          }
        },
        Phase(chunks: 1) { _, _ in
          for k in 0..<channels {
            var (first, second) = (0.0, 0.0)
            for chunk in 0..<chunks {
              first += partial[chunk * 2 * channels + k]
              second += partial[(chunk * 2 + 1) * channels + k]
            }
            dweight[k] = Float(first)
            dbias[k] = Float(second)
          }
        },
      ]
    }
  }
}

extension Symbol {
  /// Group norm of a map [N,H,W,C].
  public func groupNorm(_ groups: Int, weight: Symbol, bias: Symbol) throws -> Symbol {
    try graph.apply(GroupNorm(groups: groups, spansRows: true), [self, weight, bias])[0]
  }

  /// Layer norm over the last axis.
  public func layerNorm(weight: Symbol, bias: Symbol) throws -> Symbol {
    try graph.apply(GroupNorm(groups: 1, spansRows: false), [self, weight, bias])[0]
  }
}
