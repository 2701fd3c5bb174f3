import Tensors

/// From a photograph to the network's input: the field of view cut out, padded to the input's shape and resized.
public struct Preparation: Sendable, Hashable {
  /// Pixels of the result.
  public let height, width: Int

  /// Preparation for inputs of `height` by `width`.
  public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }

  /// A channel brighter than this belongs to the field of view; camera noise in the black surround stays below.
  private static let dark: UInt8 = 16

  /// Decodes and prepares the photograph at `path`: RGB bytes, row by row. What is odd about it is added to `warnings`.
  func load(_ path: String, _ warnings: DecoderWarnings) throws -> [UInt8] {
    let (photograph, warning) = try EncodedPhotograph(path: path).decode(atLeast: max(height, width) * 5 / 4)
    if let warning { warnings.add(path, warning) }
    return prepare(photograph)
  }

  /// Prepares a photograph: RGB bytes, row by row.
  public func prepare(_ photograph: Photograph) -> [UInt8] {
    let view = fieldOfView(photograph)
    // The window has the input's proportions and the view in its middle; what lies outside the picture is black.
    var (windowHeight, windowWidth) = (view.rows.count, view.columns.count)
    if windowHeight * width > windowWidth * height {
      windowWidth = (windowHeight * width + height - 1) / height
    } else {
      windowHeight = (windowWidth * height + width - 1) / width
    }
    let top = view.rows.lowerBound - (windowHeight - view.rows.count) / 2
    let left = view.columns.lowerBound - (windowWidth - view.columns.count) / 2
    let rows = (0..<height).map { Self.taps($0, from: windowHeight, to: height) }
    let columns = (0..<width).map { Self.taps($0, from: windowWidth, to: width) }
    var result = [UInt8](repeating: 0, count: height * width * 3)
    var line = [Int](repeating: 0, count: windowWidth * 3)
    for (y, row) in rows.enumerated() {
      for i in line.indices { line[i] = 0 }
      for (offset, weight) in row.weights.enumerated() {
        let sy = top + row.first + offset
        guard view.rows.contains(sy) else { continue }
        for sx in view.columns {
          let (from, to) = ((sy * photograph.width + sx) * 3, (sx - left) * 3)
          for k in 0..<3 { line[to + k] += weight * Int(photograph.pixels[from + k]) }
        }
      }
      for (x, column) in columns.enumerated() {
        for k in 0..<3 {
          var sum = 0
          for (offset, weight) in column.weights.enumerated() {
            sum += weight * (line[(column.first + offset) * 3 + k] >> 4)
          }
          result[(y * width + x) * 3 + k] = UInt8(clamping: (sum + 1 << 19) >> 20)
        }
      }
    }
    return result
  }

  /// The rows and columns of the disc that is not black. A line belongs to it when a fair share of its pixels does, so that
  /// specks do not count; a picture without any is taken whole.
  func fieldOfView(_ photograph: Photograph) -> (rows: Range<Int>, columns: Range<Int>) {
    var rows = [Int](repeating: 0, count: photograph.height)
    var columns = [Int](repeating: 0, count: photograph.width)
    for y in 0..<photograph.height {
      for x in 0..<photograph.width {
        let i = (y * photograph.width + x) * 3
        if max(photograph.pixels[i], photograph.pixels[i + 1], photograph.pixels[i + 2]) > Self.dark {
          rows[y] += 1
          columns[x] += 1
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
    return (span(rows, across: photograph.width), span(columns, across: photograph.height))
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
