import Graphs

/// Addition, subtraction or multiplication, element by element; axes of extent 1 (or missing in front) stretch, as in NumPy.
struct Arithmetic: Operation {
  /// The operation on two numbers.
  enum Function: String, Sendable {
    case add
    case subtract
    case multiply
  }

  let function: Function
  var name: String { function.rawValue }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard let shape = Stretch.shape(inputs[0].shape, inputs[1].shape) else {
      throw misfit(self, inputs, "the shapes do not stretch to one another")
    }
    return [TensorType(shape, inputs[0].element)]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
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

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: outputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (x, y, z) = (operands.inputs[0], operands.inputs[1], operands.outputs[0])
    let left = Stretch(x.shape, to: z.shape)
    let right = Stretch(y.shape, to: z.shape)
    let columns = z.shape.channels
    return [
      Phase.ranges(z.shape.rows, grain: elementGrain / columns) { [function] rows in
        let (i, j) = (left.column, right.column)
        for row in rows {
          let (p, q, t) = (x.floats + left.row(row), y.floats + right.row(row), z.floats + row * columns)
          switch function {
          case .add: for k in 0..<columns { t[k] = p[k * i] + q[k * j] }
          case .subtract: for k in 0..<columns { t[k] = p[k * i] - q[k * j] }
          case .multiply: for k in 0..<columns { t[k] = p[k * i] * q[k * j] }
          }
        }
      }
    ]
  }
}

/// How the elements of a smaller shape are repeated to fill a larger one.
struct Stretch: Sendable {
  /// The step along the last axis: 1, or 0 where it is repeated.
  let column: Int
  private let axes: SIMD8<Int32>
  private let steps: SIMD8<Int32>
  private let rank: Int

  /// The common shape of two, or nil.
  static func shape(_ a: Shape, _ b: Shape) -> Shape? {
    let rank = max(a.rank, b.rank)
    var result: [Int] = []
    for axis in 0..<rank {
      let i = axis - (rank - a.rank) < 0 ? 1 : a[axis - (rank - a.rank)]
      let j = axis - (rank - b.rank) < 0 ? 1 : b[axis - (rank - b.rank)]
      guard i == j || i == 1 || j == 1 else { return nil }
      result.append(max(i, j))
    }
    return Shape(result)
  }

  init(_ small: Shape, to large: Shape) {
    precondition(large.rank <= 8 && large.rank >= small.rank)
    var (axes, steps) = (SIMD8<Int32>(repeating: 1), SIMD8<Int32>())
    var step = 1
    for axis in stride(from: large.rank - 1, through: 0, by: -1) {
      let inner = axis - (large.rank - small.rank)
      let extent = inner < 0 ? 1 : small[inner]
      axes[axis] = Int32(large[axis])
      steps[axis] = extent == 1 ? 0 : Int32(step)
      step *= extent
    }
    (self.axes, self.steps, rank) = (axes, steps, large.rank)
    column = large.rank == 0 ? 0 : Int(steps[large.rank - 1])
  }

  /// Where row `row` of the large shape begins in the small one.
  func row(_ row: Int) -> Int {
    var (remainder, offset) = (row, 0)
    var axis = rank - 2
    while axis >= 0 {
      let extent = Int(axes[axis])
      offset += remainder % extent * Int(steps[axis])
      remainder /= extent
      axis -= 1
    }
    return offset
  }
}

/// Sums the repeated elements of a stretched tensor: the gradient of stretching.
struct StretchSum: Operation {
  let shape: Shape
  var name: String { "stretch-sum" }
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard Stretch.shape(shape, inputs[0].shape) == inputs[0].shape else {
      throw misfit(self, inputs, "not \(shape) stretched")
    }
    return [TensorType(shape, inputs[0].element)]
  }
  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    [try context.gradients[0]?.stretched(to: context.inputs[0].shape)]
  }
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let (large, small) = (operands.inputs[0].shape, operands.outputs[0].shape)
    let stretch = Stretch(small, to: large)
    let columns = large.channels
    // A chunk is a stripe of columns, or all of them where they too are summed; rows are added in order.
    let grain = stretch.column == 0 ? columns : 16
    let rowsSmall = stretch.column == 0 ? small.count : small.rows
    return [
      Phase.ranges(columns, grain: grain) { stripe in
        for i in 0..<rowsSmall {
          if stretch.column == 0 { target[i] = 0 } else { for k in stripe { target[i * columns + k] = 0 } }
        }
        for row in 0..<large.rows {
          let start = stretch.row(row)
          if stretch.column == 0 {
            var sum: Float = 0
            for k in stripe { sum += source[row * columns + k] }
            target[start] += sum
          } else {
            for k in stripe { target[start + k] += source[row * columns + k] }
          }
        }
      }
    ]
  }
}

/// Multiplication by a number fixed in the graph.
struct Scale: Operation {
  let factor: Float
  var name: String { "scale" }
  var overwrites: Int? { 0 }
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
  func gradient(_ context: GradientContext) throws -> [Symbol?] { [try context.gradients[0]?.scaled(by: factor)] }
  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }
  func phases(_ operands: Operands) -> [Phase] {
    let (source, target) = (operands.inputs[0].floats, operands.outputs[0].floats)
    return [
      Phase.ranges(operands.inputs[0].shape.count, grain: elementGrain) { [factor] in
        for i in $0 { target[i] = factor * source[i] }
      }
    ]
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
