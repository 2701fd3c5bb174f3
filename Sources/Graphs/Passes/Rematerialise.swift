import Tensors

extension Graph {
  /// Lets the backward pass keep only every `keeping`-th of a chain of cheap values; the others are computed again before they
  /// are first read there (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
  public func rematerialise(keeping: Int) {
    let dropped = droppedNodes(keeping)
    var rebuilt: [Int: Int] = [:]
    var result: [Node] = []
    func rebuild(_ symbol: Int) -> Int {
      guard let node = dropped[symbol] else { return symbol }
      if let known = rebuilt[symbol] { return known }
      let inputs = node.reads.map(rebuild)
      let again = append(.node, types[symbol]).id
      result.append(
        Node(
          node.parts[0].operation, inputs: inputs, outputs: [again], label: node.label + ".again", isBackward: true))
      rebuilt[symbol] = again
      return again
    }
    for var node in nodes {
      if node.isBackward { node.parts[0].inputs = node.reads.map { Input(symbol: rebuild($0)) } }
      result.append(node)
    }
    nodes = result
  }

  /// Nodes whose value is not kept, by their output: the cheap ones of the forward pass, but for every `keeping`-th of a chain.
  private func droppedNodes(_ keeping: Int) -> [Int: Node] {
    var dropped: [Int: Node] = [:]
    var lengths: [Int: Int] = [:]
    for node in nodes where !node.isBackward && node.parts[0].operation.traits.isCheap {
      let before = node.reads.compactMap { lengths[$0] }.max() ?? 0
      guard before + 1 < keeping else { continue }
      lengths[node.outputs[0]] = before + 1
      dropped[node.outputs[0]] = node
    }
    return dropped
  }
}
