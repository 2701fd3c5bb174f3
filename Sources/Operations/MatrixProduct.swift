import Graphs

/// scale * left * right for each matrix of a batch: [.., m, k] times [.., k, n], either stored transposed.
///
/// A right side without batch axes is shared by all matrices of the left, whose rows then form one tall matrix.
package struct MatrixProduct: Operation {
  package var transposeLeft = false
  package var transposeRight = false
  package var scale: Float = 1

  package var name: String { "matrix-product" }

  /// The extents of a product.
  package struct Extents {
    package let batch, rows, columns, depth: Int
  }

  package func extents(_ left: Shape, _ right: Shape) -> Extents? {
    guard left.rank >= 2, right.rank >= 2 else { return nil }
    let (depth, columns) = transposeRight ? (right[-1], right[-2]) : (right[-2], right[-1])
    if right.rank == 2, !transposeLeft {
      return left[-1] == depth ? Extents(batch: 1, rows: left.rows, columns: columns, depth: depth) : nil
    }
    let (rows, inner) = transposeLeft ? (left[-1], left[-2]) : (left[-2], left[-1])
    guard inner == depth, left.dimensions.dropLast(2) == right.dimensions.dropLast(2) else { return nil }
    return Extents(batch: left.dimensions.dropLast(2).reduce(1, *), rows: rows, columns: columns, depth: depth)
  }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let (left, right) = (inputs[0].shape, inputs[1].shape)
    guard let extents = extents(left, right) else { throw misfit(self, inputs, "the matrices do not fit") }
    let front =
      right.rank == 2 && !transposeLeft
      ? Array(left.dimensions.dropLast()) : left.dimensions.dropLast(2) + [extents.rows]
    return [TensorType(Shape(front + [extents.columns]))]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let (left, right) = (context.inputs[0], context.inputs[1])
    let graph = upstream.graph
    func product(_ a: Symbol, _ b: Symbol, _ transposeA: Bool, _ transposeB: Bool) throws -> Symbol {
      try graph.apply(MatrixProduct(transposeLeft: transposeA, transposeRight: transposeB, scale: scale), [a, b])[0]
    }
    var leftGradient: Symbol?
    if context.wanted[0] {
      leftGradient =
        transposeLeft
        ? try product(right, upstream, transposeRight, true) : try product(upstream, right, false, !transposeRight)
    }
    var rightGradient: Symbol?
    if context.wanted[1] {
      // A shared right side sees the left's rows as one tall matrix.
      let shared = right.shape.rank == 2
      let tall = shared ? try left.reshaped([left.shape.rows, left.shape.channels]) : left
      let tallUpstream = shared ? try upstream.reshaped([upstream.shape.rows, upstream.shape.channels]) : upstream
      rightGradient =
        transposeRight
        ? try product(tallUpstream, tall, true, transposeLeft) : try product(tall, tallUpstream, !transposeLeft, false)
    }
    return [leftGradient, rightGradient]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    let extents = extents(inputs[0].shape, inputs[1].shape)
    return Cost(flops: 2 * outputs[0].shape.count * (extents?.depth ?? 0), inputs, outputs)
  }
}

extension Symbol {
  /// scale * self * other, matrix by matrix; `transposed`: the other is stored transposed.
  public func matrixProduct(_ other: Symbol, transposed: Bool = false, scale: Float = 1) throws -> Symbol {
    try graph.apply(MatrixProduct(transposeRight: transposed, scale: scale), [self, other])[0]
  }

  /// x W^T + b over the last axis; the weight is [outputs, inputs], as in files.
  public func linear(_ weight: Symbol, bias: Symbol? = nil) throws -> Symbol {
    let product = try matrixProduct(weight, transposed: true)
    return try bias.map { try product.plus($0) } ?? product
  }
}

/// Scaled dot-product attention with several heads (Vaswani et al. 2017): queries [B,n,W], keys and values [B,m,W] ->
/// [B,n,W]; head h works on its own W / heads columns.
public func attention(queries: Symbol, keys: Symbol, values: Symbol, heads: Int) throws -> Symbol {
  let width = queries.shape[2]
  guard width % heads == 0 else {
    throw Failure(.usage, "attention: width \(width) is not a multiple of \(heads) heads")
  }
  func split(_ x: Symbol) throws -> Symbol {
    try x.reshaped([x.shape[0], x.shape[1], heads, width / heads]).permuted([0, 2, 1, 3])
  }
  let scores = try split(queries).matrixProduct(
    split(keys), transposed: true, scale: 1 / Float(width / heads).squareRoot())
  let weighted = try scores.softmax().matrixProduct(split(values))
  return try weighted.permuted([0, 2, 1, 3]).reshaped(queries.shape)
}
