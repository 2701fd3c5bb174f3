import Tensors

/// One kind of computation: its shape rule, its gradient rule, its cost and how it runs. One file an operation.
///
/// Operations are values without state; whatever they need at run time is placed by the memory plan.
public protocol Operation: Sendable {
  /// The kind, for tables and pictures: "convolution".
  var name: String { get }

  /// The shape rule: types of the outputs, or a failure that says what does not fit.
  func outputs(_ inputs: [TensorType]) throws -> [TensorType]

  /// The gradient rule: symbols for the gradient of each input, nil where none flows.
  func gradient(_ context: GradientContext) throws -> [Symbol?]

  /// Work and traffic of one run.
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost

  /// Memory wanted beside inputs and outputs.
  func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace

  /// The work, cut into phases and chunks by shape alone. Addresses are final; nothing may be allocated when it runs.
  func phases(_ operands: Operands) -> [Phase]

  /// The input whose memory output 0 may take over: element i of the output depends on no other element of that input.
  var overwrites: Int? { get }

  /// The element offset within input 0 of each output, where outputs are mere views of it and nothing runs.
  func views(_ inputs: [TensorType], _ outputs: [TensorType]) -> [Int]?

  /// Whether it changes a variable among its inputs, and so must run though nobody reads its outputs.
  var hasEffect: Bool { get }

  /// Whether its one output costs so little that it may be computed again in the backward pass instead of being kept.
  var isCheap: Bool { get }

  /// How it is computed, where there is a choice; for tables.
  func algorithm(_ inputs: [TensorType], _ outputs: [TensorType]) -> String

  /// Whether running may wait until a consumer loads the value. Such an operation has one output.
  var isDeferrable: Bool { get }

  /// Whether input `input`, when `producer` has been deferred, can be computed from the producer's inputs on loading.
  func absorbs(_ producer: any Operation, at input: Int) -> Bool

  /// How the last phase makes output 0: chunk i makes piece i; nil where no piece is done before the end.
  func pieces(_ inputs: [TensorType], _ outputs: [TensorType]) -> Pieces?

  /// The same operation with its first phase cut into `pieces`, chunk i reading no more of input `input` than piece i; nil
  /// where it needs more.
  func following(_ input: Int, in pieces: Pieces) -> (any Operation)?

  /// The same operation with one more input of output 0's type that is added to output 0, where it can do so for nothing.
  var accumulating: (any Operation)? { get }
}

extension Operation {
  /// None.
  public func workspace(_ inputs: [TensorType], _ outputs: [TensorType]) -> Workspace { Workspace() }
  /// None: outputs get memory of their own.
  public var overwrites: Int? { nil }
  /// None: outputs are computed.
  public func views(_ inputs: [TensorType], _ outputs: [TensorType]) -> [Int]? { nil }
  /// No.
  public var hasEffect: Bool { false }
  /// No.
  public var isCheap: Bool { false }
  /// There is no choice.
  public func algorithm(_ inputs: [TensorType], _ outputs: [TensorType]) -> String { "" }
  /// No.
  public var isDeferrable: Bool { false }
  /// No.
  public func absorbs(_ producer: any Operation, at input: Int) -> Bool { false }
  /// None.
  public func pieces(_ inputs: [TensorType], _ outputs: [TensorType]) -> Pieces? { nil }
  /// It cannot.
  public func following(_ input: Int, in pieces: Pieces) -> (any Operation)? { nil }
  /// None.
  public var accumulating: (any Operation)? { nil }
}

/// What a gradient rule sees: the node's inputs and outputs and the upstream gradients of its outputs.
public struct GradientContext {
  /// The node's inputs.
  public let inputs: [Symbol]
  /// The node's outputs.
  public let outputs: [Symbol]
  /// The gradients of the outputs; nil where none flows.
  public let gradients: [Symbol?]
  /// Whether anything that is trained lies behind each input: other gradients need not be made.
  public let wanted: [Bool]
}

/// Work and traffic of one run of an operation, as an ideal machine would count them.
public struct Cost: Sendable, Hashable {
  /// Floating-point operations, a multiply-add counted as two.
  public var flops: Int
  /// Bytes read and written at least once.
  public var bytes: Int

  /// A cost.
  public init(flops: Int, bytes: Int) {
    self.flops = flops
    self.bytes = bytes
  }

  /// A cost whose traffic is every input and output once.
  public init(flops: Int, _ inputs: [TensorType], _ outputs: [TensorType]) {
    self.init(flops: flops, bytes: (inputs + outputs).reduce(0) { $0 + $1.byteCount })
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

/// A part of an operation's work, after which all threads wait for one another.
///
/// Chunks are cut by shape alone and do not know the thread they run on, so results do not depend on the number of threads.
public struct Phase {
  /// How many chunks there are.
  public let chunks: Int
  /// Does one chunk, with a scratch area of the thread's own.
  public let body: (_ chunk: Int, _ scratch: UnsafeMutableRawPointer) -> Void

  /// A phase of `chunks` independent chunks.
  public init(chunks: Int, _ body: @escaping (_ chunk: Int, _ scratch: UnsafeMutableRawPointer) -> Void) {
    self.chunks = chunks
    self.body = body
  }

  /// A phase over `0 ..< count` in pieces of `grain` (the last may be shorter).
  public static func ranges(_ count: Int, grain: Int, _ body: @escaping (Range<Int>) -> Void) -> Phase {
    let grain = max(1, grain)
    return Phase(chunks: (count + grain - 1) / grain) { chunk, _ in
      body(chunk * grain..<min(count, (chunk + 1) * grain))
    }
  }

  /// A phase over `pieces`.
  public static func pieces(
    _ pieces: Pieces, _ body: @escaping (_ rows: Range<Int>, _ channels: Range<Int>) -> Void
  ) -> Phase {
    Phase(chunks: pieces.count) { chunk, _ in
      let piece = pieces[chunk]
      body(piece.rows, piece.channels)
    }
  }

  /// This phase, each chunk followed at once, on the same thread, by the same chunk of `next`.
  func joined(_ next: Phase) -> Phase {
    precondition(chunks == next.chunks, "phases of \(chunks) and \(next.chunks) chunks cannot be joined")
    let (first, second) = (body, next.body)
    return Phase(chunks: chunks) { chunk, scratch in
      first(chunk, scratch)
      second(chunk, scratch)
    }
  }
}
