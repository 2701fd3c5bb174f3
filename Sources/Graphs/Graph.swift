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
    /// What earlier runs have left where the gradient of a variable goes.
    case gradient(Variable)
    /// One value in every element, fixed when compiled.
    case constant(Float)
    /// The output of a node.
    case node
    /// The memory of another symbol, from element `offset` on.
    case part(of: Int, offset: Int)
  }

  private(set) var origins: [Origin] = []
  private(set) var types: [TensorType] = []
  /// In an order in which they can run.
  var nodes: [Node] = []
  /// Whether nodes are added by differentiation.
  var isDifferentiating = false
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
    let outputs = try operation.outputs(inputs.map(\.type)).map { append(.node, $0) }
    nodes.append(
      Node(
        operation, inputs: inputs.map(\.id), outputs: outputs.map(\.id), label: scopes.joined(separator: "."),
        isBackward: isDifferentiating))
    return outputs
  }

  /// Names what `body` adds, for pictures and measurements.
  public func scope<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result {
    scopes.append(name)
    defer { scopes.removeLast() }
    return try body()
  }

  /// A new symbol.
  func append(_ origin: Origin, _ type: TensorType) -> Symbol {
    origins.append(origin)
    types.append(type)
    return Symbol(graph: self, id: origins.count - 1)
  }

  /// Says that `symbol` lies in the memory of another.
  func place(_ symbol: Int, in other: Int, at offset: Int) { origins[symbol] = .part(of: other, offset: offset) }

  /// The symbol in whose memory `symbol` lies, and the element there at which it begins.
  func root(_ symbol: Int) -> (symbol: Int, offset: Int) {
    guard case .part(let other, let offset) = origins[symbol] else { return (symbol, 0) }
    let outer = root(other)
    return (outer.symbol, outer.offset + offset)
  }

  /// The graph as it is now, for passes that change it; symbols of either are symbols of both.
  func copy() -> Graph {
    let copy = Graph()
    (copy.origins, copy.types, copy.nodes, copy.variables) = (origins, types, nodes, variables)
    return copy
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
