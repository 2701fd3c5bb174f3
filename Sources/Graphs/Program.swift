import Tensors

/// Memory that programs of one rank share, one at a time.
public final class Arena {
  private var storage: Storage?

  /// An arena without memory yet.
  public init() {}

  /// At least `byteCount` bytes; what earlier programs hold stays theirs.
  func reserve(_ byteCount: Int) throws -> Storage {
    if let storage, storage.byteCount >= byteCount { return storage }
    let fresh = try Storage(byteCount: byteCount)
    storage = fresh
    return fresh
  }
}

/// A compiled graph: every value has its place, every operation its phases; running only executes.
public final class Program: TeamWork, @unchecked Sendable {
  // Unchecked: phases write disjoint parts of the arena and threads wait for one another between them; only one run goes on at a time.

  /// One operation at work.
  public struct Step {
    /// The operation's kind.
    public let name: String
    /// Where in the model it stands.
    public let label: String
    /// Types of what it reads and writes.
    public let inputs, outputs: [TensorType]
    /// How it is computed, where there is a choice.
    public let algorithm: String
    /// The kinds of operations that follow it piece by piece.
    public let followers: [String]
    /// Its work and traffic.
    public let cost: Cost
    /// Its phases.
    let phases: [Phase]
  }

  /// The operations in the order in which they run.
  public let steps: [Step]
  /// Bytes of the arena, and the least any plan could do with.
  public let arenaBytes: (planned: Int, lowerBound: Int)

  private let storages: [Storage]
  private let scratch: Storage
  private let scratchStride: Int
  private let preparing: Range<Int>
  private let inputs: [String: Operand]
  private let outputs: [String: Operand]
  private let variables: Variables
  private var current: Range<Int>
  /// Where runs note when each step begins and ends; nil: nowhere.
  public var recording: Recording?
  /// Called by thread 0 when a step is done, with its index.
  public var completed: ((Int) -> Void)?
  /// The index of the step that makes each gradient final, by the variable's index.
  public let gradientSteps: [Int: Int]
  private let team: ThreadTeam

  /// Compiles `graph` for `team`.
  /// - Parameters:
  ///   - outputs: values to read after a run, by name.
  ///   - gradients: gradients to write into `variables`, as `Graph.differentiate` returned them.
  ///   - folding: compute what depends on variables alone in `prepare()` instead of at every run.
  public init(
    _ graph: Graph, outputs: [String: Symbol], gradients: [(variable: Variable, gradient: Symbol)] = [],
    variables: Variables, arena: Arena, team: ThreadTeam, folding: Bool = false
  ) throws {
    self.variables = variables
    self.team = team
    var gradientOf: [Int: UnsafeMutableRawPointer] = [:]
    var variableOf: [Int: Int] = [:]
    for (variable, gradient) in gradients {
      guard let index = variables.index(variable.name), let target = variables.gradient(index)?.baseAddress else {
        throw Failure(.run, "no place for the gradient of \(variable.name)")
      }
      precondition(gradientOf[gradient.id] == nil, "\(variable.name) shares its gradient with another variable")
      precondition(gradient.type == variable.type, "\(variable.name): the gradient is \(gradient.type)")
      gradientOf[gradient.id] = UnsafeMutableRawPointer(target)
      variableOf[gradient.id] = index
    }
    let schedule = Schedule(
      graph, kept: outputs.values.map(\.id).sorted(), external: Set(gradientOf.keys), folding: folding)
    preparing = schedule.preparing

    // Shared workspaces are values that live for one step; symbols below zero stand for them.
    var values = Array(schedule.values.values)
    var workspaces: [Workspace] = []
    for (step, members) in schedule.steps.enumerated() {
      for member in members {
        let application = graph.nodes[member.node]
        let workspace = member.operation.workspace(
          application.inputs.map { graph.types[$0] }, application.outputs.map { graph.types[$0] })
        workspaces.append(workspace)
        if workspace.shared > 0 {
          values.append(
            Schedule.Value(symbol: -1 - member.node, byteCount: workspace.shared, birth: step, death: step))
        }
      }
    }
    let end = schedule.steps.count
    let isPersistent = { (value: Schedule.Value) in
      schedule.preparing.contains(value.birth) && value.symbol >= 0 || Self.isConstant(graph, value.symbol)
    }
    let passing = values.filter { !isPersistent($0) && gradientOf[$0.symbol] == nil }
    let persistent = values.filter { isPersistent($0) && gradientOf[$0.symbol] == nil }
    let plan = MemoryPlan(passing, end: end)
    let lasting = MemoryPlan(
      persistent.map { Schedule.Value(symbol: $0.symbol, byteCount: $0.byteCount, birth: -1, death: end) }, end: end)
    let arenaStorage = try arena.reserve(plan.byteCount)
    let lastingStorage = try Storage(byteCount: lasting.byteCount)
    storages = [arenaStorage, lastingStorage]
    arenaBytes = (plan.byteCount + lasting.byteCount, plan.lowerBound + lasting.lowerBound)

    func place(_ symbol: Int) -> (root: Int, offset: Int) { schedule.places[symbol] ?? (symbol, 0) }
    func address(_ symbol: Int) throws -> UnsafeMutableRawPointer {
      let place = place(symbol)
      let offset = place.offset * graph.types[symbol].element.byteCount
      if let target = gradientOf[place.root] { return target + offset }
      if case .variable(let variable) = graph.origins[place.root] {
        guard let index = variables.index(variable.name), variables.list[index].type == variable.type else {
          throw Failure(.data, "tensor \(variable.name) \(variable.type) is not among the model's")
        }
        return variables.address(index) + offset
      }
      if let start = plan.offsets[place.root] { return arenaStorage.base + start + offset }
      if let start = lasting.offsets[place.root] { return lastingStorage.base + start + offset }
      preconditionFailure("symbol \(symbol) has no place")
    }
    func operand(_ symbol: Int) throws -> Operand {
      if let node = graph.producer(symbol), schedule.deferred.contains(node) {
        let application = graph.nodes[node]
        return Operand(
          type: graph.types[symbol], address: arenaStorage.base,
          deferred: Deferred(operation: application.operation, inputs: try application.inputs.map(operand)))
      }
      return Operand(type: graph.types[symbol], address: try address(symbol), deferred: nil)
    }

    var steps: [Step] = []
    for members in schedule.steps {
      var phases: [Phase] = []
      var cost = Cost(flops: 0, bytes: 0)
      for member in members {
        let application = graph.nodes[member.node]
        let operands = Operands(
          inputs: try application.inputs.map(operand), outputs: try application.outputs.map(operand),
          workspace: arenaStorage.base + (plan.offsets[-1 - member.node] ?? 0),
          companions: try schedule.companions(graph, of: member.node, in: members).map(operand))
        let own = member.operation.phases(operands)
        if let last = phases.popLast() {
          phases += [last.joined(own[0])] + own.dropFirst()
        } else {
          phases = own
        }
        let part = member.operation.cost(operands.inputs.map(\.type), operands.outputs.map(\.type))
        cost = Cost(flops: cost.flops + part.flops, bytes: cost.bytes + part.bytes)
      }
      let lead = graph.nodes[members[0].node]
      steps.append(
        Step(
          name: lead.operation.name, label: lead.label, inputs: lead.inputs.map { graph.types[$0] },
          outputs: lead.outputs.map { graph.types[$0] },
          algorithm: lead.operation.algorithm(
            lead.inputs.map { graph.types[$0] }, lead.outputs.map { graph.types[$0] }),
          followers: members.dropFirst().map(\.operation.name),
          cost: cost, phases: phases))
    }
    self.steps = steps
    var gradientSteps: [Int: Int] = [:]
    for (step, members) in schedule.steps.enumerated() {
      for output in members.flatMap({ graph.nodes[$0.node].outputs }) {
        guard let index = variableOf[output] else { continue }
        gradientSteps[index] = step
      }
    }
    self.gradientSteps = gradientSteps
    current = schedule.preparing.upperBound..<end
    scratchStride = Storage.aligned(workspaces.map(\.scratch).max() ?? 0)
    scratch = try Storage(byteCount: scratchStride * team.count)

    var inputs: [String: Operand] = [:]
    for (symbol, origin) in graph.origins.enumerated() {
      switch origin {
      case .input(let name) where schedule.values[symbol] != nil: inputs[name] = try operand(symbol)
      case .constant(let value) where schedule.values[symbol] != nil:
        let target = try operand(symbol)
        for i in 0..<target.shape.count { target.floats[i] = value }
      default: break
      }
    }
    self.inputs = inputs
    self.outputs = try outputs.mapValues { try operand($0.id) }
    prepare()
  }

  private static func isConstant(_ graph: Graph, _ symbol: Int) -> Bool {
    if symbol >= 0, case .constant = graph.origins[symbol] { return true }
    return false
  }

  /// Computes what depends on variables alone; to be called after they change. Nothing to do unless compiled with `folding`.
  public func prepare() {
    guard !preparing.isEmpty else { return }
    current = preparing
    team.run(self)
    current = preparing.upperBound..<steps.count
  }

  /// Runs every step once. Nothing is allocated.
  public func run() { team.run(self) }

  /// One thread's part of a run.
  public func run(thread: Int, team: ThreadTeam) {
    let scratch = scratch.base + thread * scratchStride
    for step in current {
      recording?.begin(thread, step)
      for phase in steps[step].phases { team.share(phase.chunks, thread) { phase.body($0, scratch) } }
      if thread == 0 { completed?(step) }
      recording?.end(thread, step)
    }
  }

  /// Whether the program reads input `name`.
  public func hasInput(_ name: String) -> Bool { inputs[name] != nil }

  /// Lets `body` fill input `name`; an input that nothing reads is not there, and `body` is not called.
  public func fill(_ name: String, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    guard let operand = inputs[name] else { return }
    body(UnsafeMutableBufferPointer(start: operand.floats, count: operand.shape.count))
  }

  /// Sets input `name`.
  public func set(_ name: String, _ values: [Float]) {
    fill(name) {
      precondition($0.count == values.count, "input \(name) takes \($0.count) values, not \(values.count)")
      _ = $0.update(fromContentsOf: values)
    }
  }

  /// Lets `body` fill input `name` byte by byte, for inputs that are not float32.
  public func fillBytes(_ name: String, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
    guard let operand = inputs[name] else { return }
    body(UnsafeMutableRawBufferPointer(start: operand.address, count: operand.type.byteCount))
  }

  /// The value of output `name` after a run.
  public func output(_ name: String) -> Tensor? {
    outputs[name].map { Tensor($0.shape, Array(UnsafeBufferPointer(start: $0.floats, count: $0.shape.count))) }
  }

  /// The first element of output `name` after a run, without allocating.
  public func scalar(_ name: String) -> Float? { outputs[name]?.floats[0] }
}
