import Operations

/// The two source positions of one target position and the weight of the second.
private struct Tap {
  let low, high: Int
  let weight: Double

  init(_ position: Int, from source: Int, to target: Int) {
    let scale = Double(source) / Double(target)
    let place = max(0, (Double(position) + 0.5) * scale - 0.5)
    low = min(Int(place), source - 1)
    high = min(low + 1, source - 1)
    weight = place - Double(low)
  }
}

extension Resize {
  func phases(_ operands: Operands) -> [Phase] {
    let (map, size) = (operands.inputs[0].shape, operands.outputs[0].shape)
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let channels = map[3]
    return [
      Phase.ranges(size[0] * size[1], grain: 4) { [height, width] lines in
        for line in lines {
          let (image, y) = (line / height, Tap(line % height, from: map[1], to: height))
          for column in 0..<width {
            let x = Tap(column, from: map[2], to: width)
            let to = (line * width + column) * channels
            func at(_ row: Int, _ column: Int) -> Int { ((image * map[1] + row) * map[2] + column) * channels }
            let (a, b, c, d) = (at(y.low, x.low), at(y.low, x.high), at(y.high, x.low), at(y.high, x.high))
            for k in 0..<channels {
              let above = (1 - x.weight) * Double(source[a + k]) + x.weight * Double(source[b + k])
              let below = (1 - x.weight) * Double(source[c + k]) + x.weight * Double(source[d + k])
              target[to + k] = Float((1 - y.weight) * above + y.weight * below)
            }
          }
        }
      }
    ]
  }
}

extension Resize.Gradient {
  func phases(_ operands: Operands) -> [Phase] {
    let size = operands.inputs[0].shape
    let (upstream, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let (height, width, channels) = (map[1], map[2], map[3])
    return [
      Phase(chunks: map[0]) { image, _ in
        let base = target + image * height * width * channels
        base.update(repeating: 0, count: height * width * channels)
        for row in 0..<size[1] {
          let y = Tap(row, from: height, to: size[1])
          for column in 0..<size[2] {
            let x = Tap(column, from: width, to: size[2])
            let from = upstream + ((image * size[1] + row) * size[2] + column) * channels
            func add(_ row: Int, _ column: Int, _ share: Double) {
              let weight = Float(share)
              let to = base + (row * width + column) * channels
              for k in 0..<channels { to[k] += weight * from[k] }
            }
            add(y.low, x.low, (1 - y.weight) * (1 - x.weight))
            add(y.low, x.high, (1 - y.weight) * x.weight)
            add(y.high, x.low, y.weight * (1 - x.weight))
            add(y.high, x.high, y.weight * x.weight)
          }
        }
      }
    ]
  }
}
