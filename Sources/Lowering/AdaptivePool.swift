import Operations

extension AdaptivePool {
  func window(_ bin: Int, _ extent: Int) -> Range<Int> { bin * extent / bins..<((bin + 1) * extent + bins - 1) / bins }

  func phases(_ operands: Operands) -> [Phase] {
    let map = operands.inputs[0].shape
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let (height, width, channels) = (map[1], map[2], map[3])
    return [
      Phase(chunks: map[0]) { [self] image, _ in
        for i in 0..<bins {
          for j in 0..<bins {
            let (rows, columns) = (window(i, height), window(j, width))
            let to = ((image * bins + i) * bins + j) * channels
            for y in rows {
              for x in columns {
                let from = ((image * height + y) * width + x) * channels
                if y == rows.lowerBound, x == columns.lowerBound {
                  for k in 0..<channels { target[to + k] = source[from + k] }
                } else if function == .maximum {
                  for k in 0..<channels { target[to + k] = max(target[to + k], source[from + k]) }
                } else {
                  for k in 0..<channels { target[to + k] += source[from + k] }
                }
              }
            }
            if function == .mean {
              let area = Float(rows.count * columns.count)
              for k in to..<to + channels { target[k] /= area }
            }
          }
        }
      }
    ]
  }
}

extension AdaptivePool.Gradient {
  func phases(_ operands: Operands) -> [Phase] {
    let (height, width, channels, bins) = (map[1], map[2], map[3], pool.bins)
    let (upstream, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let source = pool.function == .maximum ? operands.inputs[1].floats : nil
    return [
      Phase(chunks: map[0]) { [pool] image, _ in
        let offset = image * height * width * channels
        (target + offset).update(repeating: 0, count: height * width * channels)
        for i in 0..<bins {
          for j in 0..<bins {
            let (rows, columns) = (pool.window(i, height), pool.window(j, width))
            let from = upstream + ((image * bins + i) * bins + j) * channels
            let share = 1 / Float(rows.count * columns.count)
            for k in 0..<channels {
              var best = -1
              for y in rows {
                for x in columns {
                  let at = offset + (y * width + x) * channels + k
                  if let source {
                    if best < 0 || source[at] > source[best] { best = at }
                  } else {
                    target[at] += from[k] * share
                  }
                }
              }
              if best >= 0 { target[best] += from[k] }
            }
          }
        }
      }
    ]
  }
}
