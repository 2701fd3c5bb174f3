import Tensors

/// Which nodes of a graph run, in which order, and how long each value must be kept.
struct Schedule {
  /// A value that needs memory: one or more symbols that share it.
  struct Value {
    let symbol: Int
    let byteCount: Int
    /// The step that writes it; -1 where it is there from the start.
    let birth: Int
    /// The last step that reads it.
    var death: Int
  }

  /// A node at work; the operation is the node's, or a form of it that follows the member before.
  struct Member {
    let node: Int
    let operation: any Operation
  }

  /// The nodes that run at each step, in order; where there are several, each follows the one before piece by piece.
  private(set) var steps: [[Member]] = []
  /// Nodes that run once, when the variables change, rather than at every run; indices into `steps`.
  private(set) var preparing: Range<Int> = 0..<0
  /// Nodes that do not run because their consumers compute the value on loading.
  private(set) var deferred: Set<Int> = []
  /// For each symbol in use, the symbol whose memory it lies in and its element offset there.
  private(set) var places: [Int: (root: Int, offset: Int)] = [:]
  /// The values by root symbol.
  private(set) var values: [Int: Value] = [:]
  /// The gradient of each trained variable is written to memory of its own.
  let external: Set<Int>

  /// - Parameters:
  ///   - kept: symbols whose values are read after the run.
  ///   - external: symbols whose memory the caller provides.
  ///   - folding: whether what depends on variables alone is computed once instead of at every run.
  init(_ graph: Graph, kept: [Int], external: Set<Int>, folding: Bool) {
    self.external = external
    let needed = Self.needed(graph, kept + external)
    var consumers: [Int: [(node: Int, input: Int)]] = [:]
    for node in needed {
      for (index, input) in graph.nodes[node].inputs.enumerated() {
        consumers[input, default: []].append((node, index))
      }
    }
    let keptSet = Set(kept).union(external)
    for node in needed where graph.nodes[node].operation.isDeferrable {
      let output = graph.nodes[node].outputs[0]
      let operation = graph.nodes[node].operation
      if !keptSet.contains(output), let users = consumers[output],
        users.allSatisfy({ graph.nodes[$0.node].operation.absorbs(operation, at: $0.input) })
      {
        deferred.insert(node)
      }
    }
    let running = needed.filter { !deferred.contains($0) && Self.views(graph, $0) == nil }
    if folding {
      let fixed = Self.fixed(graph)
      let first = running.filter { fixed.contains($0) && !graph.nodes[$0].operation.hasEffect }
      let rest = running.filter { !(fixed.contains($0) && !graph.nodes[$0].operation.hasEffect) }
      steps = first.map { [Member(node: $0, operation: graph.nodes[$0].operation)] }
      preparing = 0..<first.count
      steps += join(graph, rest)
    } else {
      steps = join(graph, running)
    }
    place(graph, needed: needed, kept: keptSet)
  }

  /// Steps of `nodes`: a node joins the step before where it can follow that step's last member. Cheap values, as those are that
  /// the backward pass rebuilds, go before that step where they can, and so do not part it from what follows; but not once something
  /// follows, lest many of them wait in memory.
  private func join(_ graph: Graph, _ nodes: [Int]) -> [[Member]] {
    func types(_ symbols: [Int]) -> [TensorType] { symbols.map { graph.types[$0] } }
    var steps: [[Member]] = []
    var pieces: Pieces?
    for node in nodes {
      let application = graph.nodes[node]
      if let last = steps.last, let pieces, let input = followed(graph, node, last),
        let operation = application.operation.following(input, in: pieces)
      {
        steps[steps.count - 1].append(Member(node: node, operation: operation))
      } else if application.operation.isCheap, let last = steps.last, last.count == 1, pieces != nil,
        !reads(graph, node, last)
      {
        steps.insert([Member(node: node, operation: application.operation)], at: steps.count - 1)
        continue
      } else {
        steps.append([Member(node: node, operation: application.operation)])
      }
      let member = steps[steps.count - 1][steps[steps.count - 1].count - 1]
      pieces = member.operation.pieces(types(application.inputs), types(application.outputs))
    }
    return steps
  }

  /// The only input of `node` that the members of a step make, if it is the last member's output 0, perhaps deferred.
  private func followed(_ graph: Graph, _ node: Int, _ step: [Member]) -> Int? {
    let made = made(graph, step)
    let inputs = graph.nodes[node].inputs
    let readers = inputs.indices.filter { sources(graph, inputs[$0]).contains { made.contains($0) } }
    guard readers.count == 1, let last = step.last else { return nil }
    let read = sources(graph, inputs[readers[0]])
    return read[0] == graph.nodes[last.node].outputs[0] && !read.dropFirst().contains { made.contains($0) }
      ? readers[0] : nil
  }

  /// What the members of a step make.
  private func made(_ graph: Graph, _ step: [Member]) -> Set<Int> { Set(step.flatMap { graph.nodes[$0.node].outputs }) }

  /// Whether `node` reads what a step makes, or a view of it.
  private func reads(_ graph: Graph, _ node: Int, _ step: [Member]) -> Bool {
    let made = made(graph, step)
    func isMade(_ symbol: Int) -> Bool {
      if made.contains(symbol) { return true }
      guard let producer = graph.producer(symbol), Self.views(graph, producer) != nil else { return false }
      return isMade(graph.nodes[producer].inputs[0])
    }
    return graph.nodes[node].inputs.contains { sources(graph, $0).contains(where: isMade) }
  }

  /// Symbols that other members of a step read and none makes, of the type of `node`'s output 0.
  func companions(_ graph: Graph, of node: Int, in members: [Member]) -> [Int] {
    let made = made(graph, members)
    guard let output = graph.nodes[node].outputs.first else { return [] }
    return members.filter { $0.node != node }
      .flatMap { graph.nodes[$0.node].inputs.flatMap { sources(graph, $0) } }
      .filter { !made.contains($0) && graph.types[$0] == graph.types[output] }
  }

  /// Nodes that `targets` depend on, or that have an effect.
  private static func needed(_ graph: Graph, _ targets: [Int]) -> [Int] {
    var wanted = Set(targets.compactMap { graph.producer($0) })
    for (index, node) in graph.nodes.enumerated() where node.operation.hasEffect { wanted.insert(index) }
    for index in stride(from: graph.nodes.count - 1, through: 0, by: -1) where wanted.contains(index) {
      for input in graph.nodes[index].inputs { if let producer = graph.producer(input) { wanted.insert(producer) } }
    }
    return wanted.sorted()
  }

  /// Nodes that depend on nothing but variables and constants.
  private static func fixed(_ graph: Graph) -> Set<Int> {
    var result: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      let isFixed = node.inputs.allSatisfy { input in
        switch graph.origins[input] {
        case .input: false
        case .variable, .constant: true
        case .node(let producer, _): result.contains(producer)
        }
      }
      if isFixed { result.insert(index) }
    }
    return result
  }

  private static func views(_ graph: Graph, _ index: Int) -> [Int]? {
    let node = graph.nodes[index]
    return node.operation.views(node.inputs.map { graph.types[$0] }, node.outputs.map { graph.types[$0] })
  }

  /// Symbols that `input` stands for when it is read: itself, or the inputs of the deferred node that makes it.
  private func sources(_ graph: Graph, _ input: Int) -> [Int] {
    if let node = graph.producer(input), deferred.contains(node) { return graph.nodes[node].inputs }
    return [input]
  }

  private mutating func place(_ graph: Graph, needed: [Int], kept: Set<Int>) {
    let end = steps.count
    let numbered = steps.enumerated().flatMap { step, members in members.map { (step, $0.node) } }
    var position: [Int: Int] = [:]
    for (step, members) in steps.enumerated() { for member in members { position[member.node] = step } }

    // Views first, so that reading a view keeps what it looks at alive.
    func root(_ symbol: Int) -> (root: Int, offset: Int) {
      guard let node = graph.producer(symbol), let offsets = Self.views(graph, node),
        let output = graph.nodes[node].outputs.firstIndex(of: symbol)
      else { return (symbol, 0) }
      let inner = root(graph.nodes[node].inputs[0])
      return (inner.root, inner.offset + offsets[output])
    }
    var lastRead: [Int: Int] = [:]
    for (step, node) in numbered {
      for input in graph.nodes[node].inputs {
        for source in sources(graph, input) {
          let place = root(source)
          places[source] = place
          let isPrepared = graph.producer(place.root).flatMap { position[$0] }.map { preparing.contains($0) } ?? false
          lastRead[place.root] = isPrepared ? end : max(step, lastRead[place.root] ?? -1)
        }
      }
    }
    for symbol in kept {
      places[symbol] = root(symbol)
      lastRead[root(symbol).root] = end
    }

    var merged: [Int: Int] = [:]
    for (step, node) in numbered {
      let application = graph.nodes[node]
      for (index, output) in application.outputs.enumerated() {
        places[output] = (output, 0)
        var death = lastRead[output] ?? step
        if preparing.contains(step) { death = end }
        if index == 0, let input = application.operation.overwrites, !preparing.contains(step),
          !external.contains(output),
          let target = takeOver(graph, application.inputs[input], output, step: step, merged: merged)
        {
          merged[output] = target
          values[target]?.death = death
          continue
        }
        values[output] = Value(symbol: output, byteCount: graph.types[output].byteCount, birth: step, death: death)
      }
      for input in application.inputs where graph.producer(input) == nil {
        for source in sources(graph, input) { addLeaf(graph, source, death: lastRead[source] ?? step) }
      }
      for input in application.inputs {
        for source in sources(graph, input) {
          let leaf = root(source).root
          if graph.producer(leaf) == nil { addLeaf(graph, leaf, death: lastRead[leaf] ?? step) }
        }
      }
    }
    for symbol in kept where graph.producer(root(symbol).root) == nil { addLeaf(graph, root(symbol).root, death: end) }
    for (symbol, place) in places {
      if let target = merged[place.root] { places[symbol] = (target, place.offset) }
    }
  }

  private mutating func addLeaf(_ graph: Graph, _ symbol: Int, death: Int) {
    if case .variable = graph.origins[symbol] { return }
    if values[symbol] == nil {
      values[symbol] = Value(symbol: symbol, byteCount: graph.types[symbol].byteCount, birth: -1, death: death)
    }
  }

  /// The value whose memory `output` may take over from `input`, if this step is its last reader.
  private func takeOver(_ graph: Graph, _ input: Int, _ output: Int, step: Int, merged: [Int: Int]) -> Int? {
    // Of a deferred input it is the memory of what the value is computed from.
    let input = sources(graph, input)[0]
    guard let producer = graph.producer(input), !deferred.contains(producer), let place = places[input],
      place.root == input
    else { return nil }
    let target = merged[input] ?? input
    guard let value = values[target], value.death == step, value.byteCount == graph.types[output].byteCount,
      !external.contains(target), !external.contains(input)
    else { return nil }
    // Members of a step run at once: no other may still want what is overwritten.
    let readers = steps[step].filter { member in
      graph.nodes[member.node].inputs.contains { sources(graph, $0).contains { places[$0]?.root == input } }
    }
    return readers.count == 1 ? target : nil
  }
}
