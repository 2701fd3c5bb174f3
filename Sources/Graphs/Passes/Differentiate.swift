import Tensors

extension Graph {
  /// Appends the backward pass of `loss`, a single number, and returns the gradient of every trained variable it depends
  /// on, in the order in which the backward pass makes them final.
  ///
  /// Reverse accumulation over the nodes (Griewank and Walther, "Evaluating Derivatives", ch. 3); `add` joins gradients that meet.
  public func differentiate(
    _ loss: Symbol, add: (Symbol, Symbol) throws -> Symbol
  ) throws -> [(variable: Variable, gradient: Symbol)] {
    isDifferentiating = true
    defer { isDifferentiating = false }
    let trained = reachesParameter()
    var gradients: [Int: Symbol] = [loss.id: constant(1, loss.shape)]
    let last = nodes.count
    for index in stride(from: last - 1, through: 0, by: -1) {
      let (node, label) = (nodes[index].parts[0], nodes[index].label)
      let upstream = node.outputs.map { gradients[$0] }
      guard upstream.contains(where: { $0 != nil }), node.reads.contains(where: { trained[$0] }) else { continue }
      let context = GradientContext(
        inputs: node.reads.map { Symbol(graph: self, id: $0) },
        outputs: node.outputs.map { Symbol(graph: self, id: $0) }, gradients: upstream,
        wanted: node.reads.map { trained[$0] })
      let leaving = try scope(label.isEmpty ? "gradient" : label + ".gradient") { try node.operation.gradient(context) }
      for (input, gradient) in zip(node.reads, leaving) where trained[input] {
        guard let gradient else { continue }
        precondition(
          gradient.shape == types[input].shape, "\(node.operation.name): gradient \(gradient.shape) of \(types[input])")
        if let earlier = gradients[input] {
          gradients[input] = try add(earlier, gradient)
        } else {
          gradients[input] = gradient
        }
      }
    }
    let written = Set(nodes.flatMap { $0.parts[0].operation.traits.isView ? [] : $0.parts[0].outputs })
    var result: [(variable: Variable, gradient: Symbol)] = []
    for (id, origin) in origins.enumerated() {
      if case .variable(let variable) = origin, variable.isParameter, let gradient = gradients[id] {
        // A gradient gets memory of its own, so it must be the output of a node that writes, and of one variable alone.
        let isOwn = written.contains(gradient.id) && !result.contains { $0.gradient.id == gradient.id }
        result.append((variable, isOwn ? gradient : try add(gradient, constant(0, gradient.shape))))
      }
    }
    return result.sorted { $0.gradient.id < $1.gradient.id }
  }

  /// For every symbol, whether a trained variable lies behind it.
  private func reachesParameter() -> [Bool] {
    var result = origins.map { origin in
      if case .variable(let variable) = origin { variable.isParameter } else { false }
    }
    for part in nodes.map({ $0.parts[0] }) where part.reads.contains(where: { result[$0] }) {
      for output in part.outputs { result[output] = true }
    }
    return result
  }
}
