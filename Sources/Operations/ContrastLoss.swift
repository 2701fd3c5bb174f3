import Graphs

/// Agreement of the eyes' unit embeddings [2,B,E], s = cos(left, right): eyes with the same labels lose 1 - s, others
/// max(0, s - margin); the mean over all pairs of the step.
struct ContrastLoss: Operation {
  let margin: Float
  var name: String { "contrast-loss" }

  /// Inputs: embeddings [2,B,E], eye labels [2,B,K], pairs of the step [1].
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape.rank == 3, inputs[1].shape.rank == 3, inputs[0].shape[0] == 2, inputs[1].shape[0] == 2,
      inputs[0].shape[1] == inputs[1].shape[1], inputs[2].shape == [1]
    else { throw misfit(self, inputs, "embeddings [2,B,E] and eye labels [2,B,K] were expected") }
    return [TensorType([1])]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil, nil] }
    return [try upstream.graph.apply(Gradient(margin: margin), [upstream] + context.inputs)[0], nil, nil]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

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

  /// upstream * d loss / d embeddings.
  struct Gradient: Operation {
    let margin: Float
    var name: String { "contrast-loss-gradient" }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[1]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[1].shape.count, inputs, outputs)
    }

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
}

extension Symbol {
  /// The contrast loss of these embeddings [2,B,E].
  public func contrastLoss(_ eyeLabels: Symbol, pairs: Symbol, margin: Float) throws -> Symbol {
    try graph.apply(ContrastLoss(margin: margin), [self, eyeLabels, pairs])[0]
  }
}
