import COpenBLAS

/// OpenBLAS's own threads stay out: chunks are shared out by the team. Set once, before the first product.
private let singleThreaded: Void = openblas_set_num_threads(1)

/// target [rows, columns] = left [rows, depth] * right [depth, columns], row major, on the calling thread; either side may
/// be stored transposed, and the product may be added to what is there and scaled.
func product(
  _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, rows: Int,
  columns: Int, depth: Int, transposeLeft: Bool = false, transposeRight: Bool = false, scale: Float = 1,
  accumulate: Bool = false
) {
  _ = singleThreaded
  cblas_sgemm(
    CblasRowMajor, transposeLeft ? CblasTrans : CblasNoTrans, transposeRight ? CblasTrans : CblasNoTrans,
    Int32(rows), Int32(columns), Int32(depth), scale, left, Int32(transposeLeft ? rows : depth), right,
    Int32(transposeRight ? depth : columns), accumulate ? 1 : 0, target, Int32(columns))
}
