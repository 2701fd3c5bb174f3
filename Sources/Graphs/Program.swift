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

  /// Where a run waits for the programs that run side by side with it: values of a row that each brings to every meeting.
  public let meetings: [Int]

  /// What runs without a wait for other programs: steps, of the first without the phases before `firstPhase`, and of the last those
  /// before `endPhase` (nil: all).
  private struct Stretch {
    var steps: Range<Int>
    var firstPhase = 0
    var endPhase: Int?
  }

  /// Memory that steps refer to, kept as long as the program.
  private let storages: [Storage]
  private let variables: Variables
  private let scratch: Storage
  private let scratchStride: Int
  private let preparing: Stretch
  private let stretches: [Stretch]
  private let inputs: [String: Operand]
  private let outputs: [String: Operand]
  private var current: Stretch
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
  ///   - gradients: gradients to write, as `Graph.differentiate` returned them.
  ///   - gradientArray: where to; nil: into those of `variables`.
  ///   - folding: compute what depends on variables alone in `prepare()` instead of at every run.
  ///   - lowerings: how operations run.
  public init(
    _ graph: Graph, outputs: [String: Symbol], gradients: [(variable: Variable, gradient: Symbol)] = [],
    into gradientArray: Storage? = nil, variables: Variables, arena: Arena, team: ThreadTeam, folding: Bool = false,
    lowerings: Lowerings
  ) throws {
    (self.variables, self.team) = (variables, team)
    let compilation = try Compilation(
      graph, outputs: Array(outputs.values), gradients: gradients.map(\.gradient), lowerings: lowerings,
      folding: folding)
    let placement = try Placement(
      compilation, gradients: gradients, into: gradientArray, variables: variables, arena: arena)
    storages = placement.storages + (gradientArray.map { [$0] } ?? [])
    arenaBytes = placement.byteCount
    steps = try placement.steps()
    gradientSteps = placement.gradientSteps
    let prepared = compilation.graph.nodes.count(where: \.isPrepared)
    preparing = Stretch(steps: 0..<prepared)
    (stretches, meetings) = Self.stretches(steps, from: prepared)
    current = preparing
    scratchStride = Storage.aligned(compilation.scratch)
    self.scratch = try Storage(byteCount: scratchStride * team.count)
    inputs = try placement.inputs()
    self.outputs = try outputs.mapValues { try placement.operand($0.id) }
    try placement.fillConstants()
    prepare()
  }

  /// The steps from number `first` on, cut at meetings, and what these are for.
  private static func stretches(_ steps: [Step], from first: Int) -> (stretches: [Stretch], meetings: [Int]) {
    var (stretches, meetings): ([Stretch], [Int]) = ([], [])
    var rest = Stretch(steps: first..<steps.count)
    for step in first..<steps.count {
      for (index, phase) in steps[step].phases.enumerated() {
        guard let columns = phase.meeting else { continue }
        meetings.append(columns)
        stretches.append(
          Stretch(steps: rest.steps.lowerBound..<step + 1, firstPhase: rest.firstPhase, endPhase: index))
        rest = Stretch(steps: step..<steps.count, firstPhase: index + 1)
      }
    }
    return (stretches + [rest], meetings)
  }

  /// Computes what depends on variables alone; to be called after they change. Nothing to do unless compiled with `folding`.
  public func prepare() {
    guard !preparing.steps.isEmpty else { return }
    current = preparing
    team.run(self)
  }

  /// Runs every step once. Nothing is allocated.
  public func run() {
    precondition(meetings.isEmpty, "a program that meets others runs by stretches")
    run(stretch: 0)
  }

  /// Runs the steps up to meeting number `stretch`, from the one before; the last stretch goes to the end.
  public func run(stretch: Int) {
    current = stretches[stretch]
    team.run(self)
  }

  /// One thread's part of a run.
  public func run(thread: Int, team: ThreadTeam) {
    let scratch = scratch.base + thread * scratchStride
    for step in current.steps {
      recording?.begin(thread, step)
      let phases = steps[step].phases
      let first = step == current.steps.lowerBound ? current.firstPhase : 0
      let end = step == current.steps.upperBound - 1 ? current.endPhase : nil
      for phase in phases[first..<(end ?? phases.count)] {
        team.share(phase.chunks, thread) { phase.body($0, scratch) }
      }
      if thread == 0, end == nil { completed?(step) }
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
