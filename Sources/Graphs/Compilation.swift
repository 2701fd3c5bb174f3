import Tensors

/// A graph on its way to a program: the passes that need no memory, one after the other.
public struct Compilation {
  /// The graph whose nodes run in the order in which they stand.
  let graph: Graph
  /// How the parts of each node run, and the symbol, below zero, that stands for the shared workspace of each.
  let lowerings: [[(lowering: Lowering, workspace: Int)]]
  let schedule: Schedule
  /// Where values and workspaces lie that a run leaves behind, and those that last from run to run.
  let passing, lasting: MemoryPlan

  /// Runs the passes over a copy of `graph`; `inspect` sees the graph after each.
  /// - Parameters:
  ///   - outputs: symbols whose values are read after a run.
  ///   - gradients: symbols whose memory the caller provides.
  ///   - folding: compute what depends on variables alone once instead of at every run.
  public init(
    _ graph: Graph, outputs: [Symbol], gradients: [Symbol], lowerings: Lowerings, folding: Bool,
    inspect: ((Listing) -> Void)? = nil
  ) throws {
    let graph = graph.copy()
    let external = Set(gradients.map(\.id))
    let kept = external.union(outputs.map(\.id))
    graph.prune(keeping: Array(kept))
    inspect?(Listing(.prune, graph))
    if folding {
      graph.foldConstants()
      inspect?(Listing(.foldConstants, graph))
    }
    graph.fuse(lowerings.fusions, keeping: kept)
    inspect?(Listing(.fuse, graph))
    let schedule = Schedule(graph, keeping: kept, external: external)
    inspect?(Listing(.schedule, graph) { schedule.note($0) })
    var count = 0
    self.lowerings = try graph.nodes.map { node in
      try Self.lower(node, of: graph, lowerings).map { lowering in
        count += 1
        return (lowering, -count)
      }
    }
    (self.graph, self.schedule) = (graph, schedule)

    var passing: [Schedule.Value] = []
    var lasting: [Schedule.Value] = []
    let end = graph.nodes.count
    for value in schedule.values.values where !external.contains(value.symbol) {
      if graph.isConstant(value.symbol) || value.birth >= 0 && graph.nodes[value.birth].isPrepared {
        lasting.append(Schedule.Value(symbol: value.symbol, byteCount: value.byteCount, birth: -1, death: end))
      } else {
        passing.append(value)
      }
    }
    // A shared workspace is a value that lives for one step.
    for (step, parts) in self.lowerings.enumerated() {
      for (lowering, symbol) in parts where lowering.workspace.shared > 0 {
        passing.append(
          Schedule.Value(symbol: symbol, byteCount: lowering.workspace.shared, birth: step, death: step))
      }
    }
    self.passing = MemoryPlan(passing, end: end)
    self.lasting = MemoryPlan(lasting, end: end)
    inspect?(Listing(.planMemory, graph) { note($0) })
  }

  /// The most scratch memory that a thread wants.
  var scratch: Int { lowerings.joined().map(\.lowering.workspace.scratch).max() ?? 0 }

  /// How the parts of a node run: each follows the pieces of the one before.
  private static func lower(_ node: Graph.Node, of graph: Graph, _ lowerings: Lowerings) throws -> [Lowering] {
    var pieces: Pieces?
    return try node.parts.map { part in
      let context = LoweringContext(
        inputs: part.inputs.map { graph.types[$0.symbol] }, outputs: part.outputs.map { graph.types[$0] },
        pieces: pieces)
      let lowering = try lowerings(part.operation, context)
      pieces = lowering.pieces
      return lowering
    }
  }

  private func note(_ symbol: Int) -> String? {
    let root = schedule.places[symbol]?.root ?? symbol
    let offset = passing.offsets[root] ?? lasting.offsets[root]
    return schedule.note(symbol).map { note in offset.map { "\(note), at \($0)" } ?? note }
  }
}

extension Graph {
  fileprivate func isConstant(_ symbol: Int) -> Bool {
    if case .constant = origins[symbol] { true } else { false }
  }
}

extension Schedule {
  /// What is known of where and how long a symbol's value lies.
  fileprivate func note(_ symbol: Int) -> String? {
    guard let root = places[symbol]?.root, let value = values[root] else { return nil }
    return root == symbol ? "until \(value.death)" : "in place of %\(root)"
  }
}
