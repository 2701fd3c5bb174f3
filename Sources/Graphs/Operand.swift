import Tensors

/// A tensor with a place.
public struct Operand {
  /// Shape and element type.
  public let type: TensorType
  /// The first byte; of no use where the value is deferred.
  public let address: UnsafeMutableRawPointer
  /// What float32 leaves of the elements, where it is kept.
  public let rests: UnsafeMutablePointer<Float>?
  /// How to compute the value on loading, where the producer did not run.
  public let deferred: Deferred?

  /// Shape.
  public var shape: Shape { type.shape }
  /// The elements as float32.
  public var floats: UnsafeMutablePointer<Float> { address.assumingMemoryBound(to: Float.self) }
  /// The elements, each with its rest where there is one.
  public var values: Values { Values(nearest: floats, rests: rests) }
}

/// Elements read and written in double precision: the nearest float32 and, where it is kept, what that leaves (Dekker 1971).
@frozen
public struct Values {
  @usableFromInline let nearest: UnsafeMutablePointer<Float>
  @usableFromInline let rests: UnsafeMutablePointer<Float>?

  /// The element at `index`.
  @inlinable
  public subscript(index: Int) -> Double {
    get {
      let value = Double(nearest[index])
      return if let rests { value + Double(rests[index]) } else { value }
    }
    nonmutating set {
      let value = Float(newValue)
      nearest[index] = value
      if let rests { rests[index] = Float(newValue - Double(value)) }
    }
  }
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
