import Tensors

/// A tensor with a place.
public struct Operand {
  /// Shape and element type.
  public let type: TensorType
  /// The first byte; of no use where there is a prologue.
  public let address: UnsafeMutableRawPointer
  /// How to compute the value on loading, where it is nowhere in memory.
  public let prologue: Prologue?

  /// An operation that is computed on loading.
  public struct Prologue {
    /// The operation.
    public let operation: any Operation
    /// Its inputs, all with a place.
    public let inputs: [Operand]
  }

  /// Shape.
  public var shape: Shape { type.shape }
  /// The elements as float32.
  public var floats: UnsafeMutablePointer<Float> { address.assumingMemoryBound(to: Float.self) }
  /// The places that are read: its own, or those of the prologue's inputs.
  public var sources: [Operand] { prologue?.inputs ?? [self] }
}

/// Everything an operation runs on.
public struct Operands {
  /// The inputs.
  public let inputs: [Operand]
  /// The outputs.
  public let outputs: [Operand]
  /// The shared workspace.
  public let workspace: UnsafeMutableRawPointer
  /// What the operations run on that follow this one piece by piece.
  public let followers: [Operands]
}
