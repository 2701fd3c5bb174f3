import Operations

extension ContrastLoss {
  /// Whether the eyes of a pair have the same labels, and the cosine of their embeddings.
  static func pair(
    _ pair: Int, of pairs: Int, _ embeddings: UnsafePointer<Float>, width: Int, _ labels: UnsafePointer<Float>,
    classes: Int
  ) -> (same: Bool, cosine: Double) {
    var (same, cosine) = (true, 0.0)
    for k in 0..<classes where labels[pair * classes + k] != labels[(pairs + pair) * classes + k] { same = false }
    for k in 0..<width {
      cosine += Double(embeddings[pair * width + k]) * Double(embeddings[(pairs + pair) * width + k])
    }
    return (same, cosine)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (embeddings, labels, all) = (operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats)
    let (pairs, width, classes) = (
      operands.inputs[0].shape[1], operands.inputs[0].shape[2], operands.inputs[1].shape[2]
    )
    let target = operands.outputs[0].floats
    return [
      Phase(chunks: 1) { [margin] _, _ in
        var sum = 0.0
        for pair in 0..<pairs {
          let (same, cosine) = Self.pair(pair, of: pairs, embeddings, width: width, labels, classes: classes)
          sum += same ? 1 - cosine : max(0, cosine - Double(margin))
        }
        target[0] = Float(sum / Double(all[0]))
      }
    ]
  }
}

extension ContrastLoss.Gradient {
  func phases(_ operands: Operands) -> [Phase] {
    let (upstream, embeddings, labels) = (
      operands.inputs[0].floats, operands.inputs[1].floats, operands.inputs[2].floats
    )
    let (all, target) = (operands.inputs[3].floats, operands.outputs[0].floats)
    let (pairs, width, classes) = (
      operands.inputs[1].shape[1], operands.inputs[1].shape[2], operands.inputs[2].shape[2]
    )
    return [
      Phase(chunks: 1) { [margin] _, _ in
        for pair in 0..<pairs {
          let (same, cosine) = ContrastLoss.pair(pair, of: pairs, embeddings, width: width, labels, classes: classes)
          let slope: Float = same ? -1 : cosine > Double(margin) ? 1 : 0
          let factor = slope * upstream[0] / all[0]
          for k in 0..<width {
            target[pair * width + k] = factor * embeddings[(pairs + pair) * width + k]
            target[(pairs + pair) * width + k] = factor * embeddings[pair * width + k]
          }
        }
      }
    ]
  }
}
