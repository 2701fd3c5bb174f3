extension Photograph {
  /// A channel brighter than this belongs to the field of view; camera noise in the black surround stays below.
  private static let dark: UInt8 = 16

  /// The rows and columns of the disc that is not black. A line belongs to it when a fair share of its pixels does, so that
  /// specks do not count; a picture without any is taken whole.
  var fieldOfView: (rows: Range<Int>, columns: Range<Int>) {
    var rowCounts = [Int](repeating: 0, count: height)
    var columnCounts = [Int](repeating: 0, count: width)
    pixels.withUnsafeBufferPointer { pixels in
      columnCounts.withUnsafeMutableBufferPointer { columnCounts in
        for y in 0..<height {
          var count = 0
          for x in 0..<width {
            let i = (y * width + x) * 3
            let isLight = max(pixels[i], pixels[i + 1], pixels[i + 2]) > Self.dark ? 1 : 0
            count += isLight
            columnCounts[x] += isLight
          }
          rowCounts[y] = count
        }
      }
    }
    func span(_ counts: [Int], across: Int) -> Range<Int> {
      let enough = max(1, across / 50)
      guard let first = counts.firstIndex(where: { $0 >= enough }),
        let last = counts.lastIndex(where: { $0 >= enough }),
        last - first >= counts.count / 8
      else { return counts.indices }
      return first..<last + 1
    }
    return (span(rowCounts, across: width), span(columnCounts, across: height))
  }

  /// Gives pixels outside the ellipse in the middle, whose half axes are `vertical` and `horizontal` pixels, the colour `fill`.
  mutating func mask(vertical: Float, horizontal: Float, fill: [UInt8]) {
    for y in 0..<height {
      for x in 0..<width {
        let dy = (Float(y) + 0.5 - Float(height) / 2) / vertical
        let dx = (Float(x) + 0.5 - Float(width) / 2) / horizontal
        guard dx * dx + dy * dy > 1 else { continue }
        for k in 0..<3 { pixels[(y * width + x) * 3 + k] = fill[k] }
      }
    }
  }
}
