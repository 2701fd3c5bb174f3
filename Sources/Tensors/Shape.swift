@_exported import Platform

/// The extents of a tensor, outermost first. Maps are channels last: `[image, row, column, channel]`.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// The extents.
  public let dimensions: [Int]

  /// A shape from its extents.
  public init(_ dimensions: [Int]) { self.dimensions = dimensions }

  /// A shape from its extents.
  public init(arrayLiteral elements: Int...) { dimensions = elements }

  /// The number of axes.
  public var rank: Int { dimensions.count }

  /// The number of elements; 1 for a scalar.
  public var count: Int { dimensions.reduce(1, *) }

  /// The extent of `axis`; negative axes count from the end.
  public subscript(axis: Int) -> Int { dimensions[axis < 0 ? axis + dimensions.count : axis] }

  /// The last extent: the channels of a map, the columns of a matrix.
  public var channels: Int { dimensions.last ?? 1 }

  /// The number of rows when the last axis is taken as columns.
  public var rows: Int { dimensions.dropLast().reduce(1, *) }

  /// For example `[8, 56, 56, 64]`.
  public var description: String { "[\(dimensions.map(String.init).joined(separator: ", "))]" }
}

/// How an element is stored.
public enum ElementType: String, Sendable, Hashable, CaseIterable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int64 = "I64"
  case int32 = "I32"
  case uint8 = "U8"

  /// The bytes of one element.
  public var byteCount: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .float16, .bfloat16: 2
    case .uint8: 1
    }
  }
}

/// What is known of a tensor before it has a place: its shape and its element type.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  /// The extents.
  public let shape: Shape
  /// How an element is stored.
  public let element: ElementType

  /// A type from shape and element.
  public init(_ shape: Shape, _ element: ElementType = .float32) {
    self.shape = shape
    self.element = element
  }

  /// The bytes a dense tensor of this type takes.
  public var byteCount: Int { shape.count * element.byteCount }

  /// For example `F32[8, 56, 56, 64]`.
  public var description: String { "\(element.rawValue)\(shape)" }
}

/// A small tensor of float32 values on the host side of the engine: a weight from a file, a test's input, an output.
public struct Tensor: Sendable, Equatable {
  /// The extents.
  public var shape: Shape
  /// The elements, last axis fastest.
  public var values: [Float]

  /// A tensor from its elements; their number must match the shape.
  public init(_ shape: Shape, _ values: [Float]) {
    precondition(shape.count == values.count, "\(values.count) values for \(shape)")
    self.shape = shape
    self.values = values
  }

  /// A tensor of equal elements.
  public init(_ shape: Shape, repeating value: Float = 0) {
    self.init(shape, Array(repeating: value, count: shape.count))
  }

  /// The same elements with axes in the order `axes`.
  public func transposed(_ axes: [Int]) -> Tensor {
    let source = shape.dimensions
    var strides = [Int](repeating: 1, count: source.count)
    for axis in stride(from: source.count - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * source[axis + 1]
    }
    let target = axes.map { source[$0] }
    let steps = axes.map { strides[$0] }
    var result = [Float](repeating: 0, count: values.count)
    var index = [Int](repeating: 0, count: target.count)
    var offset = 0
    for i in 0..<result.count {
      result[i] = values[offset]
      var axis = target.count - 1
      while axis >= 0 {
        index[axis] += 1
        offset += steps[axis]
        if index[axis] < target[axis] { break }
        offset -= steps[axis] * target[axis]
        index[axis] = 0
        axis -= 1
      }
    }
    return Tensor(Shape(target), result)
  }
}
