import Tensors

extension Graph {
  /// Appends the backward pass of `loss`, a single number, and returns the gradient of every trained variable it depends
  /// on, in the order in which the backward pass makes them final.
  ///
  /// Reverse accumulation over the nodes (Griewank and Walther, "Evaluating Derivatives", ch. 3). Where several gradients
  /// meet, the newest takes the older one in if its operation can, otherwise `add` joins them.
  ///
  /// Of a chain of values that are cheap to compute the backward pass keeps one in `keeping`, and rebuilds the rest from it when it
  /// comes to them (Chen et al. 2016).
  public func differentiate(
    _ loss: Symbol, keeping: Int = 1, add: (Symbol, Symbol) throws -> Symbol
  ) throws
    -> [(variable: Variable, gradient: Symbol)]
  {
    let trained = reachesParameter()
    var gradients: [Int: Symbol] = [loss.id: constant(1, loss.shape)]
    let last = nodes.count
    var rebuilt: [Int: Int] = [:]
    let passing = passing(keeping)
    func available(_ symbols: [Int]) throws -> [Symbol] {
      try symbols.map { Symbol(graph: self, id: try rebuild($0, passing, &rebuilt)) }
    }
    for index in stride(from: last - 1, through: 0, by: -1) {
      let node = nodes[index]
      let upstream = node.outputs.map { gradients[$0] }
      guard upstream.contains(where: { $0 != nil }), node.inputs.contains(where: { trained[$0] }) else { continue }
      let context = GradientContext(
        inputs: try available(node.inputs), outputs: try available(node.outputs),
        gradients: upstream, wanted: node.inputs.map { trained[$0] })
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

  /// Outputs that are not kept: of cheap nodes, but for every `keeping`-th of a chain.
  private func passing(_ keeping: Int) -> Set<Int> {
    var lengths: [Int: Int] = [:]
    for node in nodes where node.operation.isCheap {
      let before = node.inputs.compactMap { lengths[$0] }.max() ?? 0
      if before + 1 < keeping { lengths[node.outputs[0]] = before + 1 }
    }
    return Set(lengths.keys)
  }

  /// `symbol`, or a second computation of it where it is not kept.
  private func rebuild(_ symbol: Int, _ passing: Set<Int>, _ rebuilt: inout [Int: Int]) throws -> Int {
    guard passing.contains(symbol), let producer = producer(symbol) else { return symbol }
    if let known = rebuilt[symbol] { return known }
    let node = nodes[producer]
    let inputs = try node.inputs.map { Symbol(graph: self, id: try rebuild($0, passing, &rebuilt)) }
    let again = try scope(node.label + ".again") { try apply(node.operation, inputs) }[0].id
    rebuilt[symbol] = again
    return again
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
