/// Ways to even out light and contrast. Whole numbers throughout, so that every machine makes the same pixels.
extension Photograph {
  /// Enlarges each pixel's difference from the mean around it, which becomes mid-grey (B. Graham, Kaggle's diabetic retinopathy
  /// competition, 2015): `strength` * (pixel - mean) + 128. The mean is a Gaussian's of deviation 1/60 of the longer side, as
  /// three box means (Wells 1986).
  mutating func subtractLocalMean(strength: Float) {
    // Three boxes of w pixels have the variance (w * w - 1) / 4.
    let deviation = Double(max(width, height)) / 60
    let reach = max(1, Int(((4 * deviation * deviation + 1).squareRoot() - 1) / 2 + 0.5))
    let factor = Int(strength * 256)
    for channel in 0..<3 {
      // In 1/256 of a byte.
      var mean = (0..<width * height).map { Int(pixels[3 * $0 + channel]) << 8 }
      for _ in 0..<3 {
        for y in 0..<height { Self.boxMean(&mean, from: y * width, step: 1, count: width, reach: reach) }
        for x in 0..<width { Self.boxMean(&mean, from: x, step: width, count: height, reach: reach) }
      }
      for i in 0..<width * height {
        let difference = Int(pixels[3 * i + channel]) << 8 - mean[i]
        pixels[3 * i + channel] = UInt8(clamping: 128 + (difference * factor + 1 << 15) >> 16)
      }
    }
  }

  /// Replaces a line of `count` values by the means over `reach` neighbours on each side, as far as there are any.
  private static func boxMean(_ values: inout [Int], from start: Int, step: Int, count: Int, reach: Int) {
    let line = (0..<count).map { values[start + $0 * step] }
    var (sum, low, high) = (0, 0, 0)
    for i in 0..<count {
      while high < min(count, i + reach + 1) {
        sum += line[high]
        high += 1
      }
      while low < i - reach {
        sum -= line[low]
        low += 1
      }
      values[start + i * step] = sum / (high - low)
    }
  }

  /// Contrast-limited adaptive histogram equalisation of the brightness (Zuiderveld 1994) over 8x8 tiles: no bin of a tile's
  /// histogram counts for more than `clipLimit` times the mean bin. Colours keep their proportions, black stays black.
  mutating func equalise(clipLimit: Float) {
    let tiles = 8
    let light = (0..<width * height).map { i -> Int in
      let (red, green, blue) = (Int(pixels[3 * i]), Int(pixels[3 * i + 1]), Int(pixels[3 * i + 2]))
      return (77 * red + 150 * green + 29 * blue) >> 8
    }
    var maps: [[Int]] = []
    for row in 0..<tiles {
      for column in 0..<tiles {
        let ys = height * row / tiles..<height * (row + 1) / tiles
        let xs = width * column / tiles..<width * (column + 1) / tiles
        var histogram = [Int](repeating: 0, count: 256)
        for y in ys { for x in xs { histogram[light[y * width + x]] += 1 } }
        maps.append(Self.equalisation(histogram, clipLimit: clipLimit))
      }
    }
    // The two tiles whose centres lie around a place, and the second one's weight in 1/256.
    func neighbours(_ place: Int, of count: Int) -> (Int, Int, Int) {
      let position = max(0, min((2 * place + 1) * tiles * 128 / count - 128, (tiles - 1) * 256))
      return (position >> 8, min(tiles - 1, position >> 8 + 1), position & 255)
    }
    for y in 0..<height {
      let (above, below, down) = neighbours(y, of: height)
      for x in 0..<width {
        let (left, right, along) = neighbours(x, of: width)
        let value = light[y * width + x]
        guard value > 0 else { continue }
        func mixed(_ row: Int) -> Int {
          maps[row * tiles + left][value] * (256 - along) + maps[row * tiles + right][value] * along
        }
        let wanted = (mixed(above) * (256 - down) + mixed(below) * down) >> 8
        for k in 0..<3 {
          let i = (y * width + x) * 3 + k
          pixels[i] = UInt8(clamping: (Int(pixels[i]) * wanted / value + 128) >> 8)
        }
      }
    }
  }

  /// What each value becomes by a tile's `histogram`; what is cut off its peaks is spread over all bins.
  private static func equalisation(_ histogram: [Int], clipLimit: Float) -> [Int] {
    let count = histogram.reduce(0, +)
    let limit = max(1, Int(clipLimit * Float(count) / 256))
    let excess = histogram.reduce(0) { $0 + max(0, $1 - limit) }
    var (sum, result) = (0, [Int]())
    for (value, bin) in histogram.enumerated() {
      sum += min(bin, limit)
      let spread = excess * (value + 1) / 256
      result.append(count == 0 ? value : (sum + spread) * 255 / count)
    }
    return result
  }
}
