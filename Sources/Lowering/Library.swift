import CKernels
import COpenBLAS
import Operations

/// The library behind matrix products.
public enum Library {
  /// OpenBLAS's own description: version, build and the kernel it chose.
  public static var blas: String { "\(String(cString: openblas_get_config())), kernel \(kernel)" }

  /// The kernel OpenBLAS chose for this processor.
  public static var kernel: String { String(cString: openblas_get_corename()) }

  /// Whether DMSNET_ISA names an instruction set that this processor lacks.
  public static var isInstructionSetUnavailable: Bool { dms_instruction_set_unavailable() != 0 }

  /// The instruction set of the program's own kernels.
  public static var instructionSet: String { String(cString: dms_instruction_set()) }

  /// Whether OpenBLAS's products agree with a naive product in double precision; some kernels are wrong on some processors.
  public static var isRight: Bool {
    var stream = CounterRandom(seed: 1).stream(.test)
    for (rows, columns, depth) in [(67, 53, 41), (5, 130, 64), (96, 96, 96), (130, 120, 110)] {
      let left = (0..<rows * depth).map { _ in stream.uniform(-1, 1) }
      let right = (0..<depth * columns).map { _ in stream.uniform(-1, 1) }
      let found = sgemm(left, right, rows: rows, columns: columns, depth: depth)
      for row in 0..<rows {
        for column in 0..<columns {
          var sum = 0.0
          for k in 0..<depth { sum += Double(left[row * depth + k]) * Double(right[k * columns + column]) }
          guard abs(Double(found[row * columns + column]) - sum) < 1e-4 else { return false }
        }
      }
    }
    return true
  }

  /// GFLOP/s of OpenBLAS's product on one thread: the best of a few products of 384 x 384 x 384.
  public static func measuredSpeed(seconds: () -> Double) -> Double {
    let n = 384
    let values = [Float](repeating: 0.5, count: n * n)
    var best = Double.infinity
    for _ in 0..<8 {
      let start = seconds()
      _ = sgemm(values, values, rows: n, columns: n, depth: n)
      best = min(best, seconds() - start)
    }
    return 2 * Double(n * n * n) / best / 1e9
  }

  private static func sgemm(_ left: [Float], _ right: [Float], rows: Int, columns: Int, depth: Int) -> [Float] {
    openblas_set_num_threads(1)
    var target = [Float](repeating: 0, count: rows * columns)
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), Int32(columns), Int32(depth), 1, left, Int32(depth),
      right,
      Int32(columns), 0, &target, Int32(columns))
    return target
  }
}
