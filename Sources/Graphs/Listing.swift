import Tensors

/// The passes, in the order in which they run.
public enum Pass: String, CaseIterable, Sendable {
  /// None yet: the graph as it was written.
  case write
  case differentiate
  case accumulate
  case rematerialise
  case prune
  case foldConstants = "fold-constants"
  case fuse
  case schedule
  case planMemory = "plan-memory"
}

/// A graph as people read it, after one of the passes.
public struct Listing {
  /// The pass that ran last.
  public let pass: Pass
  /// A line an operation: `%output = operation(parameters)(inputs)`, types and notes; what follows another piece by piece is indented.
  public let text: String
  /// The graph in Graphviz's language.
  public let dot: String

  /// The graph as it is now; `note` says more of a symbol.
  public init(_ pass: Pass, _ graph: Graph, note: (Int) -> String? = { _ in nil }) {
    self.pass = pass
    text = graph.nodes.enumerated().map { graph.lines($0.offset, $0.element, note) }.joined()
    dot = graph.dot(pass.rawValue)
  }
}

extension Graph {
  /// A node as text, a line a part.
  fileprivate func lines(_ step: Int, _ node: Node, _ note: (Int) -> String?) -> String {
    node.parts.enumerated().map { index, part in
      let outputs = part.outputs.map { output in
        let more = note(output).map { " {\($0)}" } ?? ""
        return "%\(output) \(types[output])\(more)"
      }
      let start = index == 0 ? "\(node.isPrepared ? "once " : "")\(step)  " : "      + "
      let label = index == 0 && !node.label.isEmpty ? "  # \(node.label)" : ""
      return start + outputs.joined(separator: ", ") + (outputs.isEmpty ? "" : " = ") + call(part) + label + "\n"
    }
    .joined()
  }

  private func call(_ part: Part) -> String {
    let inputs = part.inputs.map { input in
      input.prologue.map { call($0.operation, $0.inputs.map(name)) } ?? name(input.symbol)
    }
    return call(part.operation, inputs)
  }

  private func call(_ operation: any Operation, _ inputs: [String]) -> String {
    "\(operation.name)\(parameters(operation))(\(inputs.joined(separator: ", ")))"
  }

  /// What sets an operation apart from others of its kind; what is nil does not.
  private func parameters(_ operation: any Operation) -> String {
    let list = Mirror(reflecting: operation).children.compactMap { label, value -> String? in
      let mirror = Mirror(reflecting: value)
      let known: Any? = mirror.displayStyle == .optional ? mirror.children.first?.value : value
      guard let known, "\(known)" != operation.name else { return nil }
      return "\(label ?? ""): \(known)"
    }
    return list.isEmpty ? "" : "[\(list.joined(separator: ", "))]"
  }

  private func name(_ symbol: Int) -> String {
    switch origins[symbol] {
    case .input(let name): name
    case .variable(let variable): variable.name
    case .gradient(let variable): "gradient of \(variable.name)"
    case .constant(let value): "\(value)"
    case .node: "%\(symbol)"
    case .part(let other, let offset): "\(name(other))\(offset > 0 ? "+\(offset)" : "")"
    }
  }

  fileprivate func dot(_ title: String) -> String {
    var makers: [Int: Int] = [:]
    for (index, node) in nodes.enumerated() { for output in node.outputs { makers[output] = index } }
    var lines = ["digraph \"\(title)\" {", "  node [shape=box, fontname=\"monospace\"]"]
    var inputs: Set<Int> = []
    for (index, node) in nodes.enumerated() {
      let kinds = node.parts.map { part in
        (part.inputs.compactMap { $0.prologue?.operation.name } + [part.operation.name]).joined(separator: " > ")
      }
      let shape = node.parts[0].outputs.first.map { "\(types[$0].shape)" } ?? ""
      let text = (kinds + [node.label, shape]).filter { !$0.isEmpty }.joined(separator: "\\n")
      lines.append("  n\(index) [label=\"\(text)\"\(node.isBackward ? ", style=dashed" : "")]")
      let read = Set(node.reads.map { root($0).symbol })
      for maker in Set(read.compactMap { makers[$0] }).subtracting([index]).sorted() {
        lines.append("  n\(maker) -> n\(index)")
      }
      for symbol in read.sorted() {
        guard case .input(let name) = origins[symbol] else { continue }
        if inputs.insert(symbol).inserted { lines.append("  s\(symbol) [label=\"\(name)\", shape=ellipse]") }
        lines.append("  s\(symbol) -> n\(index)")
      }
    }
    return (lines + ["}"]).joined(separator: "\n") + "\n"
  }
}
