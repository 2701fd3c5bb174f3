import Tensors

/// A compiled graph in memory: every value has its address, every step its phases.
struct Placement {
  /// The memory of values that a run leaves behind, and of those that last from run to run.
  let storages: [Storage]
  private let compilation: Compilation
  private let variables: Variables
  /// Where gradients go, by symbol.
  private let gradients: [Int: (variable: Int, address: UnsafeMutableRawPointer)]

  private var graph: Graph { compilation.graph }

  init(
    _ compilation: Compilation, gradients: [(variable: Variable, gradient: Symbol)], into gradientArray: Storage?,
    variables: Variables, arena: Arena
  ) throws {
    (self.compilation, self.variables) = (compilation, variables)
    storages = [
      try arena.reserve(compilation.passing.byteCount), try Storage(byteCount: compilation.lasting.byteCount),
    ]
    var places: [Int: (variable: Int, address: UnsafeMutableRawPointer)] = [:]
    for (variable, gradient) in gradients {
      guard let index = variables.index(variable.name),
        let target = variables.gradient(index, in: gradientArray)?.baseAddress
      else {
        throw Failure(.run, "no place for the gradient of \(variable.name)")
      }
      precondition(places[gradient.id] == nil, "\(variable.name) shares its gradient with another variable")
      precondition(gradient.type == variable.type, "\(variable.name): the gradient is \(gradient.type)")
      places[gradient.id] = (index, UnsafeMutableRawPointer(target))
    }
    self.gradients = places
  }

  /// Bytes of both storages, and the least any plan could do with.
  var byteCount: (planned: Int, lowerBound: Int) {
    let (passing, lasting) = (compilation.passing, compilation.lasting)
    return (passing.byteCount + lasting.byteCount, passing.lowerBound + lasting.lowerBound)
  }

  private func address(_ symbol: Int) throws -> UnsafeMutableRawPointer {
    let (root, offset) = compilation.schedule.places[symbol] ?? (symbol, 0)
    return try base(root) + offset * graph.types[symbol].element.byteCount
  }

  private func base(_ root: Int) throws -> UnsafeMutableRawPointer {
    if let target = gradients[root] { return target.address }
    if case .variable(let variable) = graph.origins[root] {
      guard let index = variables.index(variable.name), variables.list[index].type == variable.type else {
        throw Failure(.data, "tensor \(variable.name) \(variable.type) is not among the model's")
      }
      return variables.address(index)
    }
    if case .gradient(let variable) = graph.origins[root], let index = variables.index(variable.name),
      let earlier = variables.gradient(index)?.baseAddress
    {
      return UnsafeMutableRawPointer(earlier)
    }
    if let start = compilation.passing.offsets[root] { return storages[0].base + start }
    if let start = compilation.lasting.offsets[root] { return storages[1].base + start }
    preconditionFailure("symbol \(root) has no place")
  }

  /// A symbol in memory.
  func operand(_ symbol: Int) throws -> Operand {
    Operand(type: graph.types[symbol], address: try address(symbol), prologue: nil)
  }

  private func operand(_ input: Graph.Input) throws -> Operand {
    guard let (operation, inputs) = input.prologue else { return try operand(input.symbol) }
    return Operand(
      type: graph.types[input.symbol], address: storages[0].base,
      prologue: Operand.Prologue(operation: operation, inputs: try inputs.map(operand)))
  }

  /// What the parts of step `step` run on, from the last to the first.
  private func operands(_ step: Int) throws -> [Operands] {
    var result: [Operands] = []
    for (index, part) in graph.nodes[step].parts.enumerated().reversed() {
      let workspace = compilation.passing.offsets[compilation.lowerings[step][index].workspace] ?? 0
      result.insert(
        Operands(
          inputs: try part.inputs.map(operand), outputs: try part.outputs.map(operand),
          workspace: storages[0].base + workspace, followers: result),
        at: 0)
    }
    return result
  }

  /// The steps, ready to run.
  func steps() throws -> [Program.Step] {
    try graph.nodes.indices.map { step in
      let node = graph.nodes[step]
      var phases: [Phase] = []
      var cost = Cost(flops: 0, bytes: 0)
      for (index, operands) in try operands(step).enumerated() {
        let own = compilation.lowerings[step][index].lowering.phases(operands)
        if let last = phases.popLast() {
          phases += [last.joined(own[0])] + own.dropFirst()
        } else {
          phases = own
        }
        let more = node.parts[index].operation.cost(operands.inputs.map(\.type), operands.outputs.map(\.type))
        cost = Cost(flops: cost.flops + more.flops, bytes: cost.bytes + more.bytes)
      }
      let lead = node.parts[0]
      return Program.Step(
        name: lead.operation.name, label: node.label, inputs: lead.inputs.map { graph.types[$0.symbol] },
        outputs: lead.outputs.map { graph.types[$0] }, algorithm: compilation.lowerings[step][0].lowering.algorithm,
        followers: node.parts.dropFirst().map(\.operation.name), cost: cost, phases: phases)
    }
  }

  /// The step that makes each gradient final, by the variable's index.
  var gradientSteps: [Int: Int] {
    var result: [Int: Int] = [:]
    for (step, node) in graph.nodes.enumerated() {
      for output in node.outputs { if let gradient = gradients[output] { result[gradient.variable] = step } }
    }
    return result
  }

  /// The places of the data that each run is given, by name.
  func inputs() throws -> [String: Operand] {
    var result: [String: Operand] = [:]
    for symbol in compilation.schedule.values.keys {
      if case .input(let name) = graph.origins[symbol] { result[name] = try operand(symbol) }
    }
    return result
  }

  /// Writes constants, once for all runs.
  func fillConstants() throws {
    for symbol in compilation.schedule.values.keys {
      guard case .constant(let value) = graph.origins[symbol] else { continue }
      let target = try operand(symbol)
      target.floats.update(repeating: value, count: target.shape.count)
    }
  }
}
