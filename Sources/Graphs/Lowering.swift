import Tensors

/// How one operation runs, for given types.
public struct Lowering {
  /// Memory wanted beside inputs and outputs.
  public let workspace: Workspace
  /// How the last phase makes output 0: chunk i makes piece i; nil where no piece is done before the end.
  public let pieces: Pieces?
  /// How it is computed, where there is a choice; for tables.
  public let algorithm: String
  /// The work, cut into phases and chunks by shape alone. Addresses are final; nothing may be allocated when it runs.
  public let phases: (Operands) -> [Phase]

  /// A lowering.
  public init(
    workspace: Workspace = Workspace(), pieces: Pieces? = nil, algorithm: String = "",
    _ phases: @escaping (Operands) -> [Phase]
  ) {
    (self.workspace, self.pieces, self.algorithm, self.phases) = (workspace, pieces, algorithm, phases)
  }
}

/// Memory that an operation wants while it runs.
public struct Workspace: Sendable, Hashable {
  /// Bytes that all chunks share, kept from phase to phase.
  public var shared: Int
  /// Bytes of each thread's own; nothing in it survives a chunk.
  public var scratch: Int

  /// A workspace.
  public init(shared: Int = 0, scratch: Int = 0) {
    self.shared = shared
    self.scratch = scratch
  }
}

/// What a lowering is chosen by.
public struct LoweringContext {
  /// Types of the inputs and outputs.
  public let inputs, outputs: [TensorType]
  /// Where the operation follows another piece by piece, the other's pieces: chunk i of the first phase takes piece i.
  public let pieces: Pieces?
}

/// How operations run on some machine: a lowering for each kind of operation and element type, and what is fused.
public struct Lowerings: Sendable {
  private struct Key: Hashable {
    let operation: ObjectIdentifier
    let element: ElementType
  }

  private var table: [Key: @Sendable (any Operation, LoweringContext) -> Lowering?] = [:]
  /// What runs as one.
  public var fusions: [FusionRule]

  /// A table without lowerings.
  public init(fusions: [FusionRule]) { self.fusions = fusions }

  /// Adds the lowering of one kind of operation whose first input has elements of type `element`.
  public mutating func add<Kind: Operation>(
    _ lowering: @escaping @Sendable (Kind) -> (LoweringContext) -> Lowering, for element: ElementType = .float32
  ) {
    table[Key(operation: ObjectIdentifier(Kind.self), element: element)] = { operation, context in
      // The key says so already.
      (operation as? Kind).map { lowering($0)(context) }
    }
  }

  /// Adds the lowering of an operation that needs neither workspace nor a choice.
  public mutating func add<Kind: Operation>(
    _ phases: @escaping @Sendable (Kind) -> (Operands) -> [Phase], for element: ElementType = .float32
  ) {
    add({ (operation: Kind) in { _ in Lowering(phases(operation)) } }, for: element)
  }

  /// The lowering of `operation`.
  func callAsFunction(_ operation: any Operation, _ context: LoweringContext) throws -> Lowering {
    let element = context.inputs.first?.element ?? .float32
    let key = Key(operation: ObjectIdentifier(type(of: operation)), element: element)
    guard let lowering = table[key]?(operation, context) else {
      throw Failure(.usage, "\(operation.name): no lowering for \(element.rawValue)")
    }
    return lowering
  }
}
