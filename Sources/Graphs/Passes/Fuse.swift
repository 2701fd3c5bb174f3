extension Graph {
  /// Joins nodes as `rules` allow: sums become accumulation, values are computed where they are loaded, and consumers follow
  /// producers piece by piece. Values in `kept` are read after the run, so they must be made.
  func fuse(_ rules: [FusionRule], keeping kept: Set<Int>) {
    accumulate(rules, kept)
    loadOnTheWay(rules, kept)
    follow(rules)
  }

  /// How often each symbol is read; symbols that others are parts of, or that are read after the run, count as often read.
  private func readers(_ kept: Set<Int>) -> [Int: Int] {
    var readers: [Int: Int] = [:]
    for symbol in nodes.flatMap(\.reads) { readers[symbol, default: 0] += 1 }
    for symbol in Set(readers.keys).union(kept) where root(symbol).symbol != symbol {
      readers[root(symbol).symbol, default: 0] += 2
    }
    for symbol in kept { readers[symbol, default: 0] += 2 }
    return readers
  }

  /// A sum whose last operand can take in the other one is left out.
  private func accumulate(_ rules: [FusionRule], _ kept: Set<Int>) {
    let readers = readers(kept)
    var producers: [Int: Int] = [:]
    var result: [Node] = []
    for node in nodes {
      let sum = node.parts[0]
      let position = { (symbol: Int) in producers[self.root(symbol).symbol] ?? -1 }
      if sum.reads.count == 2, sum.outputs.count == 1, sum.reads.allSatisfy({ types[$0] == types[sum.outputs[0]] }),
        let last = sum.reads.max(by: { position($0) < position($1) }), readers[last] == 1, let index = producers[last],
        result[index].isPrepared == node.isPrepared, result[index].outputs == [last],
        let form = rules.lazy.compactMap({ $0.accumulation(result[index].parts[0].operation, sum.operation) }).first
      {
        result[index].parts[0].operation = form
        result[index].parts[0].inputs += sum.inputs.filter { $0.symbol != last }
        result[index].parts[0].outputs = sum.outputs
        producers[sum.outputs[0]] = index
      } else {
        for output in node.outputs { producers[output] = result.count }
        result.append(node)
      }
    }
    nodes = result
  }

  /// A node all of whose consumers compute its value on loading is left out.
  private func loadOnTheWay(_ rules: [FusionRule], _ kept: Set<Int>) {
    let readers = readers(kept)
    var consumers: [Int: [(part: Part, input: Int)]] = [:]
    for part in nodes.map({ $0.parts[0] }) {
      for (index, input) in part.inputs.enumerated() { consumers[input.symbol, default: []].append((part, index)) }
    }
    var loaded: [Int: Part] = [:]
    // From the end: a consumer that is left out itself takes nothing in.
    for part in nodes.reversed().map({ $0.parts[0] }) where part.outputs.count == 1 {
      let output = part.outputs[0]
      guard let users = consumers[output], users.count == readers[output],
        users.allSatisfy({ user in
          !user.part.outputs.contains { loaded[$0] != nil }
            && rules.contains { $0.isPrologue(part.operation, user.part.operation, user.input) }
        })
      else { continue }
      loaded[output] = part
    }
    nodes = nodes.filter { !$0.outputs.contains { loaded[$0] != nil } }.map { node in
      var node = node
      for index in node.parts[0].inputs.indices {
        guard let part = loaded[node.parts[0].inputs[index].symbol] else { continue }
        node.parts[0].inputs[index].prologue = (part.operation, part.reads)
      }
      return node
    }
  }

  /// A node that can follow the one before piece by piece becomes a part of it.
  private func follow(_ rules: [FusionRule]) {
    var result: [Node] = []
    for node in nodes {
      if let last = result.last, !last.isPrepared, let producer = last.parts.last,
        let input = followed(by: node.parts[0], last, producer),
        rules.contains(where: { $0.isEpilogue(producer.operation, node.parts[0].operation, input) })
      {
        result[result.count - 1].parts += node.parts
      } else {
        result.append(node)
      }
    }
    nodes = result
  }

  /// The one input of `part` that reads what `node` makes, if of that it reads only the output 0 of `producer`.
  private func followed(by part: Part, _ node: Node, _ producer: Part) -> Int? {
    let made = Set(node.outputs)
    func isMade(_ symbol: Int) -> Bool { made.contains(root(symbol).symbol) }
    let inputs = part.inputs.indices.filter { part.inputs[$0].reads.contains(where: isMade) }
    guard inputs.count == 1, let read = part.inputs[inputs[0]].reads.first, read == producer.outputs.first else {
      return nil
    }
    return part.inputs[inputs[0]].reads.dropFirst().contains(where: isMade) ? nil : inputs[0]
  }
}
