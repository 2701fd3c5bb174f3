extension Graph {
  /// Puts first the nodes that depend on variables and constants alone: they run when variables change, not at every run.
  func foldConstants() {
    var computed: Set<Int> = []
    func isFixed(_ symbol: Int) -> Bool {
      let root = root(symbol).symbol
      switch origins[root] {
      case .input, .gradient: return false
      case .variable, .constant: return true
      case .node, .part: return computed.contains(root)
      }
    }
    for index in nodes.indices where !nodes[index].hasEffect && nodes[index].reads.allSatisfy(isFixed) {
      nodes[index].isPrepared = true
      computed.formUnion(nodes[index].outputs)
    }
    nodes = nodes.filter(\.isPrepared) + nodes.filter { !$0.isPrepared }
  }
}
