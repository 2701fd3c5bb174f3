import Tensors

/// How long each value of a graph must be kept, and which values share memory. Nodes run in the order in which they stand.
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

  /// For each symbol in use, the symbol whose memory it lies in and its element offset there.
  private(set) var places: [Int: (root: Int, offset: Int)] = [:]
  /// The values by root symbol.
  private(set) var values: [Int: Value] = [:]
  private let graph: Graph
  private let external: Set<Int>

  /// - Parameters:
  ///   - kept: symbols whose values are read after the run.
  ///   - external: those among them whose memory the caller provides.
  init(_ graph: Graph, keeping kept: Set<Int>, external: Set<Int>) {
    (self.graph, self.external) = (graph, external)
    let lastReads = lastReads(kept)
    var taken: [Int: Int] = [:]
    for (step, node) in graph.nodes.enumerated() {
      for part in node.parts {
        for symbol in part.reads { addLeaf(symbol, lastReads) }
        for (index, output) in part.outputs.enumerated() {
          places[output] = (output, 0)
          let death = node.isPrepared ? graph.nodes.count : lastReads[output] ?? step
          if index == 0, !node.isPrepared, let target = takenOver(by: part, step, taken) {
            taken[output] = target
            values[target]?.death = death
          } else {
            values[output] = Value(
              symbol: output, byteCount: graph.types[output].byteCount, birth: step, death: death)
          }
        }
      }
    }
    for symbol in kept { addLeaf(symbol, lastReads) }
    for (symbol, place) in places {
      if let target = taken[place.root] { places[symbol] = (target, place.offset) }
    }
  }

  /// The last step that reads each value, itself or a part of it: what is read after the run, and what is computed once for all runs,
  /// lasts to the end.
  private mutating func lastReads(_ kept: Set<Int>) -> [Int: Int] {
    let prepared = Set(graph.nodes.filter(\.isPrepared).flatMap(\.outputs))
    var result: [Int: Int] = [:]
    for (step, node) in graph.nodes.enumerated() {
      for symbol in node.reads {
        let place = graph.root(symbol)
        places[symbol] = (place.symbol, place.offset)
        result[place.symbol] = prepared.contains(place.symbol) ? graph.nodes.count : step
      }
    }
    for symbol in kept {
      let place = graph.root(symbol)
      places[symbol] = (place.symbol, place.offset)
      result[place.symbol] = graph.nodes.count
    }
    return result
  }

  /// Adds what no node makes and no caller provides: data and constants.
  private mutating func addLeaf(_ symbol: Int, _ lastReads: [Int: Int]) {
    let root = graph.root(symbol).symbol
    switch graph.origins[root] {
    case .input, .constant:
      values[root] = Value(
        symbol: root, byteCount: graph.types[root].byteCount, birth: -1, death: lastReads[root] ?? -1)
    case .variable, .gradient, .node, .part: break
    }
  }

  /// The value whose memory output 0 of `part` may take over, if this step is its last reader.
  private func takenOver(by part: Part, _ step: Int, _ taken: [Int: Int]) -> Int? {
    guard let index = part.operation.traits.overwrites, !external.contains(part.outputs[0]) else { return nil }
    // Of a value that is computed on loading it is the memory of what it is computed from.
    let input = part.inputs[index].reads[0]
    guard case .node = graph.origins[input] else { return nil }
    let target = taken[input] ?? input
    guard let value = values[target], value.death == step, value.byteCount == graph.types[part.outputs[0]].byteCount,
      !external.contains(target), !external.contains(input)
    else { return nil }
    // Parts of a step run at once: no other may still want what is overwritten.
    let readers = graph.nodes[step].parts.filter { $0.reads.contains { places[$0]?.root == input } }
    return readers.count == 1 ? target : nil
  }

  private typealias Part = Graph.Part
}
