import Graphs

/// Addition, subtraction or multiplication, element by element; axes of extent 1 (or missing in front) stretch, as in NumPy.
package struct Arithmetic: Operation {
  /// The operation on two numbers.
  package enum Function: String, Sendable {
    case add
    case subtract
    case multiply
  }

  package let function: Function
  package var name: String { function.rawValue }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard let shape = inputs[0].shape.stretched(with: inputs[1].shape) else {
      throw misfit(self, inputs, "the shapes do not stretch to one another")
    }
    return [TensorType(shape, inputs[0].element)]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let (a, b) = (context.inputs[0], context.inputs[1])
    func towards(_ input: Int, _ gradient: () throws -> Symbol) throws -> Symbol? {
      context.wanted[input] ? try gradient().summed(to: context.inputs[input].shape) : nil
    }
    switch function {
    case .add: return [try towards(0) { upstream }, try towards(1) { upstream }]
    case .subtract: return [try towards(0) { upstream }, try towards(1) { try upstream.scaled(by: -1) }]
    case .multiply: return [try towards(0) { try upstream.times(b) }, try towards(1) { try upstream.times(a) }]
    }
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: outputs[0].shape.count, inputs, outputs)
  }
}

/// Sums the repeated elements of a stretched tensor: the gradient of stretching.
package struct StretchSum: Operation {
  package let shape: Shape
  package var name: String { "stretch-sum" }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard shape.stretched(with: inputs[0].shape) == inputs[0].shape else {
      throw misfit(self, inputs, "not \(shape) stretched")
    }
    return [TensorType(shape, inputs[0].element)]
  }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    [try context.gradients[0]?.stretched(to: context.inputs[0].shape)]
  }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }
}

/// Multiplication by a number fixed in the graph.
package struct Scale: Operation {
  package let factor: Float
  package var name: String { "scale" }
  package var traits: Traits { Traits(overwrites: 0) }
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    [try context.gradients[0]?.scaled(by: factor)]
  }
  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }
}

extension Shape {
  /// The shape that both stretch to; nil where there is none.
  fileprivate func stretched(with other: Shape) -> Shape? {
    let rank = max(self.rank, other.rank)
    var result: [Int] = []
    for axis in 0..<rank {
      let i = axis - (rank - self.rank) < 0 ? 1 : self[axis - (rank - self.rank)]
      let j = axis - (rank - other.rank) < 0 ? 1 : other[axis - (rank - other.rank)]
      guard i == j || i == 1 || j == 1 else { return nil }
      result.append(max(i, j))
    }
    return Shape(result)
  }
}

extension Symbol {
  /// self + other.
  public func plus(_ other: Symbol) throws -> Symbol { try graph.apply(Arithmetic(function: .add), [self, other])[0] }

  /// self - other.
  public func minus(_ other: Symbol) throws -> Symbol {
    try graph.apply(Arithmetic(function: .subtract), [self, other])[0]
  }

  /// self * other.
  public func times(_ other: Symbol) throws -> Symbol {
    try graph.apply(Arithmetic(function: .multiply), [self, other])[0]
  }

  /// factor * self.
  public func scaled(by factor: Float) throws -> Symbol { try graph.apply(Scale(factor: factor), [self])[0] }

  /// Repeated along axes of extent 1 to `shape`.
  public func stretched(to shape: Shape) throws -> Symbol {
    shape == self.shape ? self : try plus(graph.constant(0, shape))
  }

  /// Summed over the axes along which `shape` would be repeated to give this one.
  public func summed(to shape: Shape) throws -> Symbol {
    shape == self.shape ? self : try graph.apply(StretchSum(shape: shape), [self])[0]
  }
}
