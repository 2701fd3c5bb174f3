import Tensors

extension Graph {
  /// Appends the backward pass of `loss`, a single number, and returns the gradient of every trained variable it depends
  /// on, in the order in which the backward pass makes them final.
  ///
  /// Reverse accumulation over the nodes (Griewank and Walther, "Evaluating Derivatives", ch. 3). Where several gradients
  /// meet, the newest takes the older one in if its operation can, otherwise `add` joins them.
  public func differentiate(_ loss: Symbol, add: (Symbol, Symbol) throws -> Symbol) throws
    -> [(variable: Variable, gradient: Symbol)]
  {
    let trained = reachesParameter()
    var gradients: [Int: Symbol] = [loss.id: constant(1, loss.shape)]
    let last = nodes.count
    for index in stride(from: last - 1, through: 0, by: -1) {
      let node = nodes[index]
      let arriving = node.outputs.map { gradients[$0] }
      guard arriving.contains(where: { $0 != nil }), node.inputs.contains(where: { trained[$0] }) else { continue }
      let context = GradientContext(
        inputs: node.inputs.map { Symbol(graph: self, id: $0) },
        outputs: node.outputs.map { Symbol(graph: self, id: $0) },
        gradients: arriving, wanted: node.inputs.map { trained[$0] })
      let label = node.label.isEmpty ? "gradient" : node.label + ".gradient"
      let leaving = try scope(label) { try node.operation.gradient(context) }
      for (input, gradient) in zip(node.inputs, leaving) where trained[input] {
        guard let gradient else { continue }
        precondition(
          gradient.shape == types[input].shape, "\(node.operation.name): gradient \(gradient.shape) of \(types[input])")
        if let earlier = gradients[input] {
          gradients[input] = try accumulate(earlier, gradient, add: add)
        } else {
          gradients[input] = gradient
        }
      }
    }
    var result: [(variable: Variable, gradient: Symbol)] = []
    for (id, origin) in origins.enumerated() {
      if case .variable(let variable) = origin, variable.isParameter, let gradient = gradients[id] {
        // A gradient gets memory of its own, so it must be the output of a node that writes, and of one variable alone.
        let isOwn =
          producer(gradient.id).map { isWritten($0) } ?? false && !result.contains { $0.gradient.id == gradient.id }
        result.append((variable, isOwn ? gradient : try add(gradient, constant(0, gradient.shape))))
      }
    }
    return result.sorted { $0.gradient.id < $1.gradient.id }
  }

  private func isWritten(_ node: Int) -> Bool {
    let application = nodes[node]
    return application.operation.views(application.inputs.map { types[$0] }, application.outputs.map { types[$0] })
      == nil
  }

  private func accumulate(_ earlier: Symbol, _ newer: Symbol, add: (Symbol, Symbol) throws -> Symbol) throws -> Symbol {
    if let node = producer(newer.id), node == nodes.count - 1, nodes[node].outputs.count == 1,
      producer(earlier.id) != node,
      let operation = nodes[node].operation.accumulating
    {
      amendLast(operation, inputs: nodes[node].inputs + [earlier.id])
      return newer
    }
    return try add(earlier, newer)
  }

  /// For every symbol, whether a trained variable lies behind it.
  private func reachesParameter() -> [Bool] {
    var result = [Bool](repeating: false, count: origins.count)
    for (id, origin) in origins.enumerated() {
      switch origin {
      case .variable(let variable): result[id] = variable.isParameter
      case .node(let node, _): result[id] = nodes[node].inputs.contains { result[$0] }
      case .input, .constant: break
      }
    }
    return result
  }
}
