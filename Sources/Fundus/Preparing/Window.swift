/// The part of a photograph that becomes the input: it has the input's proportions and the view in its middle. What lies outside
/// the view is filled.
struct Window {
  /// Rows and columns of the photograph, also such that it does not have.
  let rows, columns: Range<Int>
  private let view: (rows: Range<Int>, columns: Range<Int>)

  /// The smallest window around `view` with the proportions of `height` by `width`; where `isStretched`, the view itself.
  init(around view: (rows: Range<Int>, columns: Range<Int>), height: Int, width: Int, isStretched: Bool) {
    self.view = view
    var (windowHeight, windowWidth) = (view.rows.count, view.columns.count)
    if !isStretched {
      if windowHeight * width > windowWidth * height {
        windowWidth = (windowHeight * width + height - 1) / height
      } else {
        windowHeight = (windowWidth * height + width - 1) / width
      }
    }
    let top = view.rows.lowerBound - (windowHeight - view.rows.count) / 2
    let left = view.columns.lowerBound - (windowWidth - view.columns.count) / 2
    (rows, columns) = (top..<top + windowHeight, left..<left + windowWidth)
  }

  /// The window at `height` by `width` pixels: RGB bytes, row by row.
  func resized(_ photograph: Photograph, height: Int, width: Int, fill: [UInt8]) -> [UInt8] {
    let rowTaps = (0..<height).map { Self.taps($0, from: rows.count, to: height) }
    let columnTaps = (0..<width).map { Self.taps($0, from: columns.count, to: width) }
    var result = [UInt8](repeating: 0, count: height * width * 3)
    var line = [Int](repeating: 0, count: columns.count * 3)
    let fill = fill.map { 4096 * Int($0) }
    photograph.pixels.withUnsafeBufferPointer { pixels in
      line.withUnsafeMutableBufferPointer { line in
        for (y, row) in rowTaps.enumerated() {
          mix(pixels, photograph.width, row, fill, into: line)
          for (x, column) in columnTaps.enumerated() {
            for k in 0..<3 {
              var sum = 0
              for (offset, weight) in column.weights.enumerated() {
                sum += weight * (line[(column.first + offset) * 3 + k] >> 4)
              }
              result[(y * width + x) * 3 + k] = UInt8(clamping: (sum + 1 << 19) >> 20)
            }
          }
        }
      }
    }
    return result
  }

  /// The sum of the window's rows that `row` weighs, in 1/4096 of a byte.
  private func mix(
    _ pixels: UnsafeBufferPointer<UInt8>, _ width: Int, _ row: (first: Int, weights: [Int]), _ fill: [Int],
    into line: UnsafeMutableBufferPointer<Int>
  ) {
    let start = (view.columns.lowerBound - columns.lowerBound) * 3
    let count = view.columns.count * 3
    for i in 0..<start { line[i] = fill[i % 3] }
    for i in start + count..<line.count { line[i] = fill[i % 3] }
    for i in start..<start + count { line[i] = 0 }
    for (offset, weight) in row.weights.enumerated() {
      let y = rows.lowerBound + row.first + offset
      if view.rows.contains(y) {
        let from = (y * width + view.columns.lowerBound) * 3
        for i in 0..<count { line[start + i] += weight * Int(pixels[from + i]) }
      } else if fill[0] > 0 {
        for i in 0..<count { line[start + i] += weight * fill[(start + i) % 3] / 4096 }
      }
    }
  }

  /// The source pixels of one target pixel and their weights in 1/4096, which add up to 4096: the share of the target's area
  /// when shrinking, the two nearest when enlarging.
  private static func taps(_ position: Int, from source: Int, to target: Int) -> (first: Int, weights: [Int]) {
    if source >= target {
      // In units of 1/target of a source pixel.
      let (start, end) = (position * source, (position + 1) * source)
      let (first, last) = (start / target, (end - 1) / target)
      var weights = (first...last).map { pixel in
        (min(end, (pixel + 1) * target) - max(start, pixel * target)) * 4096 / source
      }
      weights[weights.count / 2] += 4096 - weights.reduce(0, +)
      return (first, weights)
    }
    let place = max(0, min((2 * position + 1) * source * 2048 / target - 2048, (source - 1) * 4096))
    let first = place / 4096
    return first + 1 < source ? (first, [4096 - place % 4096, place % 4096]) : (first, [4096])
  }
}
