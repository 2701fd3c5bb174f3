import Fundus
import Testing

/// What a preparation may do beyond cutting out and resizing.
struct ContrastTests {
  private func prepare(_ picture: Photograph, _ change: (inout Preparation) -> Void) -> [UInt8] {
    var preparation = Preparation(height: 64, width: 64)
    change(&preparation)
    return preparation.prepare(picture)
  }

  /// A grey disc of value `value` that fills a black square, darker towards one side by `slope` a pixel.
  private func disc(_ value: Int, slope: Int = 0) -> Photograph {
    let side = 128
    let pixels = (0..<side * side).flatMap { i -> [UInt8] in
      let (x, y) = (i % side - side / 2, i / side - side / 2)
      let light = x * x + y * y < side * side / 4 ? value - slope * (x + side / 2) / 4 : 0
      return [UInt8](repeating: UInt8(light), count: 3)
    }
    return Photograph(width: side, height: side, pixels: pixels)
  }

  @Test func paddingIsOfTheColourAskedFor() {
    let picture = gradient(120, 60)
    let top = { (pixels: [UInt8]) in Array(pixels[32 * 3..<32 * 3 + 3]) }
    #expect(top(prepare(picture) { _ in }) == [0, 0, 0])
    #expect(top(prepare(picture) { $0.padding = .mean }) == [124, 116, 104])
    #expect(top(prepare(picture) { $0.padding = .stretch })[2] == 90)
    // A picture without padding is the same either way.
    let square = gradient(60, 60)
    #expect(prepare(square) { $0.padding = .mean } == prepare(square) { $0.padding = .stretch })
  }

  @Test func aPhotographMayBeTakenWhole() {
    var pixels = [UInt8](repeating: 0, count: 128 * 128 * 3)
    for y in 32..<96 { for x in 32..<96 { for k in 0..<3 { pixels[(y * 128 + x) * 3 + k] = 200 } } }
    let picture = Photograph(width: 128, height: 128, pixels: pixels)
    #expect(prepare(picture) { _ in }.allSatisfy { $0 == 200 })
    let whole = prepare(picture) { $0.crop = .none }
    #expect(whole[0] == 0 && whole[(32 * 64 + 32) * 3] == 200 && whole[(32 * 64 + 10) * 3] == 0)
  }

  @Test func theCircleIsMasked() {
    let masked = prepare(gradient(90, 90)) { ($0.circle, $0.padding) = (0.5, .mean) }
    let plain = prepare(gradient(90, 90)) { _ in }
    for (y, x) in [(32, 32), (32, 17), (47, 32), (42, 22)] {
      #expect(masked[(y * 64 + x) * 3] == plain[(y * 64 + x) * 3], "\(y),\(x)")
    }
    for (y, x) in [(0, 0), (32, 14), (50, 32), (45, 19)] { #expect(masked[(y * 64 + x) * 3] == 124, "\(y),\(x)") }
    // Of a view whose top and bottom the camera cut off, the disc is as wide as the view.
    let wide = prepare(gradient(120, 60)) { $0.circle = 0.9 }
    #expect(wide[(32 * 64 + 1) * 3 + 2] == 0 && wide[(32 * 64 + 6) * 3 + 2] == 90 && wide[(18 * 64 + 32) * 3 + 2] == 90)
  }

  /// Where light falls off evenly, what is left is mid-grey; a spot stands out as much as asked for.
  @Test func theLocalMeanIsTakenAway() {
    let even = prepare(disc(180, slope: 2)) { $0.localMean = 4 }
    for x in stride(from: 16, to: 48, by: 4) { #expect(abs(Int(even[(32 * 64 + x) * 3]) - 128) <= 6, "\(x)") }
    var picture = disc(100)
    for y in 64..<66 { for x in 64..<66 { for k in 0..<3 { picture.pixels[(y * 128 + x) * 3 + k] = 110 } } }
    let spot = { (strength: Float) in
      Int(self.prepare(picture) { $0.localMean = strength }[(32 * 64 + 32) * 3]) - 128
    }
    #expect(spot(2) > 5 && abs(spot(4) - 2 * spot(2)) <= 2)
  }

  /// Contrast grows where it was low, more so with a higher limit; black stays black and grey grey.
  @Test func histogramsAreEqualised() {
    var picture = disc(100)
    // Squares of 8 pixels, a little lighter than their neighbours.
    for i in 0..<128 * 128 where picture.pixels[3 * i] > 0 && (i % 128 / 8 + i / 1024) % 2 == 0 {
      for k in 0..<3 { picture.pixels[3 * i + k] += 8 }
    }
    func spread(_ pixels: [UInt8]) -> Int {
      let line = (20..<44).map { Int(pixels[(32 * 64 + $0) * 3]) }
      return (line.max() ?? 0) - (line.min() ?? 0)
    }
    let results = [0, 2, 8].map { limit in prepare(picture) { $0.clahe = Float(limit) } }
    #expect(spread(results[1]) > spread(results[0]) && spread(results[2]) > spread(results[1]))
    for pixels in results {
      #expect(pixels[0..<3].allSatisfy { $0 == 0 })
      for i in stride(from: 0, to: pixels.count, by: 3) where pixels[i] != pixels[i + 1] || pixels[i] != pixels[i + 2] {
        Issue.record("grey became coloured")
        break
      }
    }
  }
}
