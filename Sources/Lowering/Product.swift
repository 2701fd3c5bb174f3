import CKernels
import COpenBLAS

/// OpenBLAS starts no threads of its own: the team's threads share the chunks. Set once, before the first product.
private let singleThreaded: Void = openblas_set_num_threads(1)

/// A product of matrices after the trunk: target [rows, columns] = scale * left [rows, depth] * right [depth, columns], row
/// major, on the calling thread; either side may be stored transposed.
struct Product {
  let rows, columns, depth: Int
  var transposeLeft = false
  var transposeRight = false
  var scale: Float = 1

  /// Whether the program's own kernels compute it.
  private var isSmall: Bool { rows * columns * depth <= Tuning.MatrixProducts.mostOfOwn }

  /// Bytes of scratch memory.
  var scratch: Int { isSmall ? (dms_packed_count(depth, columns) + rows * (depth + Tuning.kc)) * 4 : 0 }

  /// Computes the product.
  func callAsFunction(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutableRawPointer
  ) {
    let (leftStride, rightStride) = (transposeLeft ? rows : depth, transposeRight ? depth : columns)
    guard isSmall else {
      _ = singleThreaded
      return cblas_sgemm(
        CblasRowMajor, transposeLeft ? CblasTrans : CblasNoTrans, transposeRight ? CblasTrans : CblasNoTrans,
        Int32(rows), Int32(columns), Int32(depth), scale, left, Int32(leftStride), right, Int32(rightStride), 0, target,
        Int32(columns))
    }
    let packed = scratch.assumingMemoryBound(to: Float.self)
    let loaded = packed + dms_packed_count(depth, columns)
    var a = dms_left(values: left, stride: leftStride, transposed: 1)
    if !transposeLeft {
      dms_source(left, stride: leftStride).loadLeft(0..<rows, 0..<depth, loaded)
      a = dms_left(values: loaded, stride: rows * Tuning.kc, transposed: 0)
    }
    var b = dms_matrix(values: right, stride: rightStride, transposed: transposeRight ? 1 : 0)
    dms_pack(&b, depth, columns, scale, 0, dms_pack_panels(depth, columns), packed)
    var packedRight = dms_right(values: packed, depth: depth, columns: columns, first: 0)
    dms_multiply(&a, &packedRight, rows, 0, columns, depth, 0, target, columns, nil)
  }
}
