import Tensors

/// A tensor with a place.
public struct Operand {
  /// Shape and element type.
  public let type: TensorType
  /// The first byte; of no use where the value is deferred.
  public let address: UnsafeMutableRawPointer
  /// How to compute the value on loading, where the producer did not run.
  public let deferred: Deferred?

  /// Shape.
  public var shape: Shape { type.shape }
  /// The elements as float32.
  public var floats: UnsafeMutablePointer<Float> { address.assumingMemoryBound(to: Float.self) }
}

/// A value that its consumers compute for themselves.
public struct Deferred {
  /// The operation that did not run.
  public let operation: any Operation
  /// Its inputs, all with a place.
  public let inputs: [Operand]
}

/// Everything an operation runs on.
public struct Operands {
  /// The inputs.
  public let inputs: [Operand]
  /// The outputs.
  public let outputs: [Operand]
  /// The shared workspace.
  public let workspace: UnsafeMutableRawPointer
  /// What operations that follow piece by piece read beside output 0, of its shape: piece i soon after piece i is made.
  public let companions: [Operand]
}
