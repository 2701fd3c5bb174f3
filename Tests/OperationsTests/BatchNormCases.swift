import Operations

extension OperationCase {
  /// Batch norm in training, alone and with ReLU: the gradients of the map, of its own weight and of its own bias.
  static let batchNorms: [OperationCase] = [
    (2, 9, 5, 6), (3, 4, 4, 70), (1, 40, 41, 3), (1, 1, 3, 17), (5, 3, 1, 1), (2, 7, 7, 129),
  ]
  .flatMap { shape in [true, false].map { batchNorm([shape.0, shape.1, shape.2, shape.3], relu: $0) } }

  private static func batchNorm(_ shape: [Int], relu: Bool) -> OperationCase {
    let channels = shape[3]
    return OperationCase(
      name: "batch norm\(relu ? " and relu" : "")", shapes: [shape, [channels], [channels]], tolerance: 5e-5,
      declared: ["norm.weight", "norm.bias"],
      build: { graph, x in
        try x[0].batchNorm(BatchNormVariables(graph, "norm", channels: channels), relu: relu, isTraining: true)
      }
    ) { x in
      let rows = x[0].values.count / channels
      var (means, variances) = ([Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels))
      for i in x[0].values.indices { means[i % channels] += x[0].values[i] / Double(rows) }
      for i in x[0].values.indices {
        let difference = x[0].values[i] - means[i % channels]
        variances[i % channels] += difference * difference / Double(rows)
      }
      return Reference(shape) { at in
        let k = at[3]
        let value = (x[0][at] - means[k]) / (variances[k] + 1e-5).squareRoot() * x[1][[k]] + x[2][[k]]
        return relu ? max(0, value) : value
      }
    }
  }
}
