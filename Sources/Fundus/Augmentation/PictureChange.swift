/// What happens to one picture, from its bytes to the network's values: it is sampled once, whatever moves it, and its colours
/// change on the way.
public struct PictureChange: Sendable, Equatable {
  /// Where it lies.
  public var placement = Placement()
  /// How its colours change.
  public var colour = ColourChange()
  /// What is erased.
  public var erasure: Erasure?

  /// Nothing happens unless told.
  public init(placement: Placement = Placement(), colour: ColourChange = ColourChange(), erasure: Erasure? = nil) {
    (self.placement, self.colour, self.erasure) = (placement, colour, erasure)
  }

  /// Writes the changed picture's normalised values [height,width,3]; `pixels` are its RGB bytes.
  public func render(
    _ pixels: UnsafeBufferPointer<UInt8>, height: Int, width: Int, into target: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(pixels.count == height * width * 3 && target.count == pixels.count)
    if placement.isExact, colour.isNone {
      Normalisation.write(pixels, width: width, mirrored: placement.isMirrored, into: target)
    } else {
      sample(pixels, height: height, width: width, into: target)
    }
    erasure?.erase(target, rows: height, columns: width)
  }

  /// The mean colour of RGB `pixels`.
  private static func mean(_ pixels: UnsafeBufferPointer<UInt8>) -> SIMD3<Float> {
    var (red, green, blue) = (0, 0, 0)
    for i in stride(from: 0, to: pixels.count, by: 3) {
      red += Int(pixels[i])
      green += Int(pixels[i + 1])
      blue += Int(pixels[i + 2])
    }
    let count = Float(max(1, pixels.count / 3))
    return SIMD3(Float(red), Float(green), Float(blue)) / count
  }

  /// Bilinear sampling; what lies outside the picture is black. Places are whole numbers of 2^-32 pixels and weights of 1/256, so
  /// that a row can be walked without rounding.
  private func sample(
    _ pixels: UnsafeBufferPointer<UInt8>, height: Int, width: Int, into target: UnsafeMutableBufferPointer<Float>
  ) {
    let map = Placement.Map(placement, width: width, height: height)
    let colours = colour.map(mean: colour.contrast == 1 ? SIMD3() : Self.mean(pixels))
    // Sums of weighted bytes are in 1/65536 of a byte.
    let (red, green, blue) = (colours.columns[0] / 65536, colours.columns[1] / 65536, colours.columns[2] / 65536)
    let (deviation, mean) = (Normalisation.deviation, Normalisation.mean)
    let scale = 1 / (255 * SIMD3(deviation[0], deviation[1], deviation[2]))
    let shift = -255 * SIMD3(mean[0], mean[1], mean[2]) * scale
    func fixed(_ value: Double) -> Int { Int(value * 0x1p32) }
    for y in 0..<height {
      // The middles of pixels are half a pixel away from their corners.
      func start(_ line: Placement.Map.Line) -> Int {
        fixed(line.start + 0.5 * line.perColumn + (Double(y) + 0.5) * line.perRow - 0.5)
      }
      var (placeX, placeY) = (start(map.x), start(map.y))
      let (stepX, stepY) = (fixed(map.x.perColumn), fixed(map.y.perColumn))
      for x in 0..<width {
        let (column, row) = (placeX >> 32, placeY >> 32)
        let (wx, wy) = (placeX >> 24 & 255, placeY >> 24 & 255)
        placeX &+= stepX
        placeY &+= stepY
        let (top, bottom, left, right) = (256 &- wy, wy, 256 &- wx, wx)
        var (r, g, b) = (0, 0, 0)
        if row >= 0, row < height &- 1, column >= 0, column < width &- 1 {
          let i = (row &* width &+ column) &* 3
          let j = i &+ 3 &* width
          let (w00, w01, w10, w11) = (top &* left, top &* right, bottom &* left, bottom &* right)
          func mix(_ k: Int) -> Int {
            let upper = w00 &* Int(pixels[i &+ k]) &+ w01 &* Int(pixels[i &+ 3 &+ k])
            return upper &+ w10 &* Int(pixels[j &+ k]) &+ w11 &* Int(pixels[j &+ 3 &+ k])
          }
          (r, g, b) = (mix(0), mix(1), mix(2))
        } else if row >= -1, row < height, column >= -1, column < width {
          for (y, vertical) in [(row, top), (row + 1, bottom)] where y >= 0 && y < height {
            for (x, horizontal) in [(column, left), (column + 1, right)] where x >= 0 && x < width {
              let (i, weight) = ((y * width + x) * 3, vertical * horizontal)
              r += weight * Int(pixels[i])
              g += weight * Int(pixels[i + 1])
              b += weight * Int(pixels[i + 2])
            }
          }
        }
        var value = colours.offset + Float(r) * red
        value += Float(g) * green
        value += Float(b) * blue
        value = value.clamped(lowerBound: SIMD3(repeating: 0), upperBound: SIMD3(repeating: 255)) * scale + shift
        let to = (y &* width &+ x) &* 3
        (target[to], target[to &+ 1], target[to &+ 2]) = (value.x, value.y, value.z)
      }
    }
  }
}
