import Tensors

/// A computation written down: operations applied to symbols, in an order in which they can run.
///
/// A graph is built once, differentiated by appending to itself, and compiled into a `Program`. It knows operations only
/// through the protocol `Operation`.
public final class Graph {
  /// Where a symbol comes from.
  enum Origin {
    /// Data given anew at each run.
    case input(String)
    /// A weight or a running statistic that outlives runs.
    case variable(Variable)
    /// One value in every element, fixed when compiled.
    case constant(Float)
    /// Output `index` of node `node`.
    case node(Int, output: Int)
  }

  /// One application of an operation.
  struct Node {
    var operation: any Operation
    var inputs: [Int]
    let outputs: [Int]
    let label: String
  }

  private(set) var origins: [Origin] = []
  private(set) var types: [TensorType] = []
  private(set) var nodes: [Node] = []
  /// The variables in the order in which they were declared.
  public private(set) var variables: [Variable] = []
  private var variableNames: Set<String> = []
  private var scopes: [String] = []

  /// An empty graph.
  public init() {}

  /// Data that the caller gives at each run.
  public func input(_ name: String, _ type: TensorType) -> Symbol { append(.input(name), type) }

  /// A tensor that outlives runs; names are unique in a graph.
  public func variable(_ variable: Variable) -> Symbol {
    precondition(variableNames.insert(variable.name).inserted, "variable \(variable.name) is declared twice")
    variables.append(variable)
    return append(.variable(variable), variable.type)
  }

  /// A tensor of one value.
  public func constant(_ value: Float, _ shape: Shape) -> Symbol { append(.constant(value), TensorType(shape)) }

  /// Applies `operation`; throws where its shape rule refuses the inputs.
  public func apply(_ operation: any Operation, _ inputs: [Symbol]) throws -> [Symbol] {
    let outputTypes = try operation.outputs(inputs.map(\.type))
    let index = nodes.count
    let outputs = outputTypes.enumerated().map { append(.node(index, output: $0.offset), $0.element) }
    nodes.append(
      Node(
        operation: operation, inputs: inputs.map(\.id), outputs: outputs.map(\.id), label: scopes.joined(separator: ".")
      ))
    return outputs
  }

  /// Names what `body` adds, for pictures and measurements.
  public func scope<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    scopes.append(name)
    defer { scopes.removeLast() }
    return try body()
  }

  private func append(_ origin: Origin, _ type: TensorType) -> Symbol {
    origins.append(origin)
    types.append(type)
    return Symbol(graph: self, id: origins.count - 1)
  }

  /// The node that makes `symbol`, if one does.
  func producer(_ symbol: Int) -> Int? {
    if case .node(let node, _) = origins[symbol] { return node }
    return nil
  }

  /// Replaces the operation and inputs of the newest node; its outputs keep their types.
  func amendLast(_ operation: any Operation, inputs: [Int]) {
    nodes[nodes.count - 1].operation = operation
    nodes[nodes.count - 1].inputs = inputs
  }
}

/// A tensor in a graph: it has a type, but no place and no value until the graph is compiled and run.
public struct Symbol {
  /// The graph it belongs to.
  public let graph: Graph
  let id: Int

  /// Its shape and element type.
  public var type: TensorType { graph.types[id] }
  /// Its shape.
  public var shape: Shape { type.shape }
}

/// A tensor that outlives runs: a weight that is trained or a state that is kept.
public struct Variable: Sendable, Hashable {
  /// Who changes it.
  public enum Role: Sendable, Hashable {
    /// The optimizer; `decays` says whether weight decay applies.
    case parameter(decays: Bool)
    /// An operation, during training.
    case state
  }

  /// The values it starts from.
  public enum Start: Sendable, Hashable {
    case constant(Float)
    case normal(deviation: Float)
    case uniform(bound: Float)
  }

  /// Its name in files.
  public let name: String
  /// Its shape and element type in the engine.
  public let type: TensorType
  /// Who changes it.
  public let role: Role
  /// The values it starts from.
  public let start: Start
  /// Engine axis i is axis `axes[i]` in files.
  public let axes: [Int]

  /// A variable; `axes` left out: files keep it as the engine does.
  public init(_ name: String, _ type: TensorType, _ role: Role, start: Start, axes: [Int]? = nil) {
    self.name = name
    self.type = type
    self.role = role
    self.start = start
    self.axes = axes ?? Array(0..<type.shape.rank)
  }

  /// Whether the optimizer trains it.
  public var isParameter: Bool { role != .state }

  /// The shape in files.
  public var fileShape: Shape {
    var extents = [Int](repeating: 0, count: axes.count)
    for (engine, file) in axes.enumerated() { extents[file] = type.shape[engine] }
    return Shape(extents)
  }
}
