import Lowering

extension OperationCase {
  /// (images, height, width, inputs, outputs, kernel, stride, padding)
  private static let geometries = [
    (2, 7, 7, 8, 16, 1, 1, 0), (1, 9, 6, 5, 7, 1, 2, 0), (2, 8, 8, 4, 6, 3, 1, 1), (3, 7, 9, 16, 16, 3, 1, 1),
    (2, 9, 7, 3, 8, 3, 2, 1), (2, 15, 13, 3, 5, 7, 2, 3), (1, 6, 5, 2, 1, 7, 1, 3), (1, 12, 12, 70, 33, 3, 1, 1),
    (2, 14, 14, 64, 96, 1, 1, 0), (1, 5, 5, 130, 20, 3, 2, 1), (1, 4, 4, 3, 4, 2, 3, 0), (2, 2, 2, 32, 48, 3, 1, 1),
    (1, 7, 6, 300, 40, 1, 1, 0),
  ]
  /// Shapes that tiles fit: maps that tiles do and do not cover, few and many channels, every padding.
  private static let tiled = [
    (3, 7, 9, 16, 16, 3, 1, 1), (1, 8, 4, 72, 40, 3, 1, 1), (1, 5, 11, 20, 36, 3, 1, 0), (1, 4, 5, 17, 18, 3, 1, 2),
    (2, 5, 6, 130, 80, 3, 1, 1), (1, 6, 9, 144, 130, 3, 1, 1), (130, 2, 1, 130, 128, 3, 1, 1),
    (1, 5, 4, 260, 258, 3, 1, 1), (180, 1, 1, 258, 256, 3, 1, 1), (6, 20, 18, 40, 40, 3, 1, 1),
  ]

  /// More rows than are packed at a time.
  private static let long = (7, 100, 100, 32, 33, 1, 1, 0)

  static let convolutions: [OperationCase] =
    [convolution(long, .direct)] + geometries.map { convolution($0, .direct) }
    + tiled.flatMap { [convolution($0, .winograd), convolution($0, .direct), convolution($0, .automatic)] }

  private static func convolution(
    _ geometry: (Int, Int, Int, Int, Int, Int, Int, Int), _ algorithm: ConvolutionAlgorithm
  ) -> OperationCase {
    let (n, h, w, inputs, outputs, kernel, stride, padding) = geometry
    return OperationCase(
      name: "convolution \(kernel)x\(kernel) stride \(stride) padding \(padding) \(algorithm)",
      shapes: [[n, h, w, inputs], [kernel, kernel, inputs, outputs]], tolerance: algorithm == .direct ? 1e-4 : 3e-4,
      convolution: algorithm, build: { try $1[0].convolution($1[1], stride: stride, padding: padding) }
    ) { x in
      Reference([n, (h + 2 * padding - kernel) / stride + 1, (w + 2 * padding - kernel) / stride + 1, outputs]) { at in
        var sum = 0.0
        for i in 0..<kernel {
          for j in 0..<kernel {
            let (row, column) = (at[1] * stride - padding + i, at[2] * stride - padding + j)
            guard (0..<h).contains(row), (0..<w).contains(column) else { continue }
            for k in 0..<inputs { sum += x[0][[at[0], row, column, k]] * x[1][[i, j, k, at[3]]] }
          }
        }
        return sum
      }
    }
  }
}
