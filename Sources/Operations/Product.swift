import COpenBLAS

/// OpenBLAS's own threads stay out: chunks are shared out by the team. Set once, before the first product.
private let singleThreaded: Void = openblas_set_num_threads(1)

/// The longest run of products summed at once. Shorter runs, joined one after another, round less than one long one, and a
/// smaller error is less likely to move an activation across ReLU's corner.
private let longestRun = 64

/// target [rows, columns] = left [rows, depth] * right [depth, columns], row major, on the calling thread; either side may
/// be stored transposed, and the product may be added to what is there and scaled.
func product(
  _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, rows: Int,
  columns: Int, depth: Int, transposeLeft: Bool = false, transposeRight: Bool = false, scale: Float = 1,
  accumulate: Bool = false
) {
  _ = singleThreaded
  let (leftStep, leftStride) = transposeLeft ? (rows, rows) : (1, depth)
  let (rightStep, rightStride) = transposeRight ? (1, depth) : (columns, columns)
  var first = 0
  while first < depth {
    let run = min(longestRun, depth - first)
    cblas_sgemm(
      CblasRowMajor, transposeLeft ? CblasTrans : CblasNoTrans, transposeRight ? CblasTrans : CblasNoTrans,
      Int32(rows), Int32(columns), Int32(run), scale, left + first * leftStep, Int32(leftStride),
      right + first * rightStep, Int32(rightStride), accumulate || first > 0 ? 1 : 0, target, Int32(columns))
    first += run
  }
}
