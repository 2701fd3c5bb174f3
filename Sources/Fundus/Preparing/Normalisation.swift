/// Pixels as the network reads them: float32, normalised with ImageNet's mean and deviation, RGB in the innermost dimension.
public enum Normalisation {
  /// ImageNet's mean of each channel, of values in 0 ... 1.
  public static let mean: [Float] = [0.485, 0.456, 0.406]
  /// ImageNet's deviation of each channel.
  public static let deviation: [Float] = [0.229, 0.224, 0.225]

  /// The normalised value of each byte in each channel, [256,3].
  private static let table: [Float] = (0..<256 * 3).map { (Float($0 / 3) / 255 - mean[$0 % 3]) / deviation[$0 % 3] }

  /// Writes the normalised values of RGB `pixels`, whose rows have `width` pixels; `mirrored`: left and right exchanged.
  public static func write(
    _ pixels: UnsafeBufferPointer<UInt8>, width: Int, mirrored: Bool, into target: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(pixels.count == target.count && pixels.count % (3 * width) == 0)
    table.withUnsafeBufferPointer { table in
      for row in stride(from: 0, to: pixels.count, by: 3 * width) {
        for x in 0..<width {
          let (from, to) = (row + 3 * x, row + 3 * (mirrored ? width - 1 - x : x))
          for k in 0..<3 { target[to + k] = table[3 * Int(pixels[from + k]) + k] }
        }
      }
    }
  }
}
