extension Graph {
  /// Leaves the nodes that `targets` depend on and those that have an effect. Views need not run: their outputs become parts of
  /// what they look at.
  func prune(keeping targets: [Int]) {
    var wanted = Set(targets)
    var kept: [Node] = []
    for node in nodes.reversed() where node.hasEffect || node.outputs.contains(where: wanted.contains) {
      wanted.formUnion(node.reads)
      kept.append(node)
    }
    nodes = kept.reversed().filter { node in
      guard node.parts[0].operation.traits.isView else { return true }
      var offset = 0
      for output in node.outputs {
        place(output, in: node.reads[0], at: offset)
        offset += types[output].shape.count
      }
      return false
    }
  }
}
