import Tensors

/// One kind of computation: what it is, not how it runs, which is its `Lowering`'s matter. One file an operation.
public protocol Operation: Sendable {
  /// The kind, for tables and pictures: "convolution".
  var name: String { get }

  /// The shape rule: types of the outputs, or a failure that says what does not fit.
  func outputs(_ inputs: [TensorType]) throws -> [TensorType]

  /// The gradient rule: symbols for the gradient of each input, nil where none flows.
  func gradient(_ context: GradientContext) throws -> [Symbol?]

  /// Work and traffic of one run.
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost

  /// What passes may do with it beside running it.
  var traits: Traits { get }
}

extension Operation {
  /// None.
  public var traits: Traits { Traits() }
}

/// What passes may do with an operation; nothing, unless it says so.
public struct Traits: Sendable, Hashable {
  /// Outputs are parts of input 0's memory, one behind the other: nothing runs.
  public var isView: Bool
  /// It changes a variable among its inputs, and so must run though nobody reads its outputs.
  public var hasEffect: Bool
  /// Its one output costs so little that it may be computed again in the backward pass instead of being kept.
  public var isCheap: Bool
  /// The input whose memory output 0 may take over: element i of the output depends on no other element of that input.
  public var overwrites: Int?

  /// Traits.
  public init(isView: Bool = false, hasEffect: Bool = false, isCheap: Bool = false, overwrites: Int? = nil) {
    (self.isView, self.hasEffect, self.isCheap, self.overwrites) = (isView, hasEffect, isCheap, overwrites)
  }
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
