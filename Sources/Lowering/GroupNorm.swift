import Operations

extension GroupNorm {
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
}

extension GroupNorm.Gradient {
  private func grain(_ instances: Int, _ count: Int) -> Int {
    let most = Tuning.Elements.mostPartialSums
    return max(1, Tuning.Elements.doubles / count, (instances + most - 1) / most)
  }

  func lowering(_ context: LoweringContext) -> Lowering {
    let (instances, rows, channels) = norm.extents(context.inputs[0].shape)
    let grain = grain(instances, rows * channels)
    return Lowering(workspace: Workspace(shared: (instances + grain - 1) / grain * 2 * channels * 8), phases)
  }

  private func phases(_ operands: Operands) -> [Phase] {
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
