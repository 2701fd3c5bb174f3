import Foundation
import Tensors

/// Draws one eye's fundus photograph: an orange-red disc on black with optic disc, vessels and macula, and a lesion for each
/// disease. Coordinates run from -1 to 1 across the picture; left eyes are right eyes mirrored.
struct FundusPainter {
  private let size: Int
  private let strength: Float
  private let isLeft: Bool
  private var stream: CounterRandom.Stream
  private var canvas: [SIMD3<Float>]

  /// The optic disc lies towards the nose: on the right of a right eye.
  private let disc = SIMD2<Float>(0.42, 0.02)
  private let macula = SIMD2<Float>(-0.08, 0.06)

  init(size: Int, difficulty: Float, seed: UInt64, patient: Int, isLeft: Bool) {
    (self.size, self.isLeft) = (size, isLeft)
    strength = 1 - 0.85 * difficulty
    stream = CounterRandom(seed: seed).stream(.synthesis, patient, isLeft ? 2 : 3)
    canvas = Array(repeating: SIMD3(), count: size * size)
  }

  /// The photograph of an eye with these labels.
  func paint(_ labels: Set<Character>) -> Photograph {
    var painter = self
    painter.ground(tessellated: labels.contains("M"))
    painter.vessels(narrow: labels.contains("H"))
    painter.opticDisc(cup: labels.contains("G") ? 0.35 + 0.5 * strength : 0.35, tilted: labels.contains("M"))
    painter.spot(macula, radius: 0.16, SIMD3(-0.16, -0.1, -0.04), softness: 1)
    if labels.contains("D") { painter.diabetic() }
    if labels.contains("A") { painter.drusen() }
    if labels.contains("H") { painter.flames() }
    if labels.contains("O") { painter.membrane() }
    if labels.contains("C") { painter.haze() }
    return painter.photograph()
  }

  /// Visits the pixels within `radius` of `centre` with their distance from it, in units of the radius.
  private mutating func visit(
    _ centre: SIMD2<Float>, _ radius: Float, stretch: SIMD2<Float> = SIMD2(1, 1),
    _ body: (inout SIMD3<Float>, Float) -> Void
  ) {
    let half = Float(size) / 2
    func span(_ middle: Float, _ reach: Float) -> ClosedRange<Int>? {
      let low = max(0, Int(((middle - reach) + 1) * half) - 1)
      let high = min(size - 1, Int(((middle + reach) + 1) * half) + 1)
      return low <= high ? low...high : nil
    }
    guard let rows = span(centre.y, radius * stretch.y), let columns = span(centre.x, radius * stretch.x) else {
      return
    }
    for y in rows {
      for x in columns {
        let place = SIMD2((Float(x) + 0.5) / half - 1, (Float(y) + 0.5) / half - 1)
        let offset = (place - centre) / (radius * stretch)
        let distance = (offset * offset).sum().squareRoot()
        if distance < 1 { body(&canvas[y * size + x], distance) }
      }
    }
  }

  /// Adds colour in a round spot; `softness` 0: sharp edge, 1: fading from the middle.
  private mutating func spot(
    _ centre: SIMD2<Float>, radius: Float, _ colour: SIMD3<Float>, softness: Float, stretch: SIMD2<Float> = SIMD2(1, 1)
  ) {
    visit(centre, radius, stretch: stretch) { pixel, distance in
      let weight = softness == 0 ? 1 : min(1, (1 - distance) / softness)
      pixel += colour * weight
    }
  }

  private mutating func ground(tessellated: Bool) {
    let tone = SIMD3<Float>(
      0.72 + stream.uniform(-0.06, 0.06), 0.34 + stream.uniform(-0.05, 0.05), 0.14 + stream.uniform(-0.03, 0.03))
    let light = SIMD2<Float>(stream.uniform(-0.3, 0.3), stream.uniform(-0.3, 0.3))
    visit(SIMD2(0, 0), 0.96) { pixel, distance in pixel = tone * (1 - 0.3 * distance * distance) }
    spot(light, radius: 0.8, SIMD3(0.06, 0.04, 0.02), softness: 1)
    guard tessellated else { return }
    // Choroidal vessels shine through a thinned retina as a pale mesh.
    for _ in 0..<26 {
      let start = SIMD2<Float>(stream.uniform(-0.8, 0.8), stream.uniform(-0.8, 0.8))
      let heading = stream.uniform(0, 6.28)
      curve(from: start, heading: heading, length: 0.5, width: 0.022, bend: 0.5, SIMD3(0.12, 0.13, 0.08) * strength)
    }
  }

  private mutating func curve(
    from start: SIMD2<Float>, heading: Float, length: Float, width: Float, bend: Float, _ colour: SIMD3<Float>
  ) {
    var (place, heading) = (start, heading)
    let step = max(width * 0.7, 1 / Float(size))
    var turn = stream.uniform(-bend, bend)
    var walked: Float = 0
    while walked < length {
      let taper = 1 - 0.6 * walked / length
      visit(place, max(width * taper, 0.7 / Float(size))) { pixel, distance in pixel += colour * (0.35 * (1 - distance))
      }
      turn += stream.uniform(-bend, bend) * 0.4
      turn *= 0.9
      heading += turn * step * 4
      place += SIMD2(cos(heading), sin(heading)) * step
      walked += step
      if (place * place).sum() > 0.9 { break }
    }
  }

  private mutating func vessels(narrow: Bool) {
    let width: Float = narrow ? 0.026 - 0.014 * strength : 0.026
    let bend: Float = narrow ? 0.8 + 1.2 * strength : 0.5
    for (index, angle) in [Float(2.3), 2.8, 3.6, 4.1, 1.2, -1.2].enumerated() {
      let heading = angle + stream.uniform(-0.2, 0.2)
      curve(
        from: disc, heading: heading, length: index < 4 ? 1.5 : 0.6, width: width, bend: bend, SIMD3(-0.42, -0.3, -0.1))
      for branch in 0..<2 {
        let along = 0.3 + 0.3 * Float(branch)
        let place = disc + SIMD2(cos(heading), sin(heading)) * along
        curve(
          from: place, heading: heading + (branch == 0 ? 0.6 : -0.6), length: 0.5, width: width * 0.6, bend: bend,
          SIMD3(-0.34, -0.24, -0.08))
      }
    }
  }

  private mutating func opticDisc(cup: Float, tilted: Bool) {
    let stretch: SIMD2<Float> = tilted ? SIMD2(0.7, 1.15) : SIMD2(1, 1.08)
    if tilted {
      spot(
        disc - SIMD2(0.13, 0), radius: 0.2, SIMD3(0.3, 0.42, 0.34) * strength, softness: 0.3, stretch: SIMD2(0.7, 1.1))
    }
    spot(disc, radius: 0.16, SIMD3(0.24, 0.36, 0.2), softness: 0.3, stretch: stretch)
    spot(disc, radius: 0.16 * cup, SIMD3(0.14, 0.2, 0.24), softness: 0.4, stretch: stretch)
  }

  private mutating func place(within reach: Float, of centre: SIMD2<Float>) -> SIMD2<Float> {
    let angle = stream.uniform(0, 6.2832)
    let radius = reach * stream.uniform().squareRoot()
    return centre + SIMD2(cos(angle), sin(angle)) * radius
  }

  /// Microaneurysms, blot haemorrhages and hard exudates.
  private mutating func diabetic() {
    for _ in 0..<14 + stream.below(10) {
      let centre = place(within: 0.7, of: SIMD2(-0.05, 0))
      let radius = 0.03 + stream.uniform() * 0.035
      spot(centre, radius: radius, SIMD3(-0.46, -0.3, -0.1) * strength, softness: 0.3)
    }
    for _ in 0..<8 + stream.below(6) {
      let centre = place(within: 0.55, of: macula)
      let radius = 0.02 + stream.uniform() * 0.03
      spot(centre, radius: radius, SIMD3(0.28, 0.5, 0.12) * strength, softness: 0.2)
    }
  }

  /// Pale yellow deposits around the macula.
  private mutating func drusen() {
    for _ in 0..<34 {
      let centre = place(within: 0.28, of: macula)
      let radius = 0.024 + stream.uniform() * 0.024
      spot(centre, radius: radius, SIMD3(0.26, 0.34, 0.16) * strength, softness: 0.5)
    }
    spot(macula, radius: 0.28, SIMD3(0.05, 0.1, 0.02) * strength, softness: 0.6)
  }

  /// Streaks of blood along the nerve fibres, and cotton-wool spots.
  private mutating func flames() {
    for _ in 0..<9 {
      let start = place(within: 0.45, of: disc)
      let heading = stream.uniform(-0.4, 0.4)
      curve(from: start, heading: heading, length: 0.2, width: 0.05, bend: 0.2, SIMD3(-0.7, -0.55, -0.2) * strength)
    }
    for _ in 0..<4 {
      let centre = place(within: 0.4, of: disc)
      let radius: Float = 0.07
      spot(centre, radius: radius, SIMD3(0.3, 0.42, 0.42) * strength, softness: 0.8)
    }
  }

  /// A glistening sheet with folds below the macula.
  private mutating func membrane() {
    let centre = place(within: 0.12, of: SIMD2(-0.2, 0.45))
    spot(centre, radius: 0.3, SIMD3(0.02, 0.2, 0.34) * strength, softness: 0.25, stretch: SIMD2(1.2, 0.8))
    for _ in 0..<6 {
      let start = place(within: 0.2, of: centre)
      let heading = stream.uniform(-0.5, 0.5)
      curve(from: start, heading: heading, length: 0.35, width: 0.016, bend: 0.2, SIMD3(0.3, 0.6, 0.7) * strength)
    }
  }

  /// A clouded lens: detail fades into a pale, bluish-grey veil.
  private mutating func haze() {
    let radius = max(1, Int(Float(size) * 0.03 * strength))
    blur(radius)
    let veil = SIMD3<Float>(0.62, 0.52, 0.42)
    let cover = 0.62 * strength
    visit(SIMD2(0, 0), 0.96) { pixel, _ in pixel += (veil - pixel) * cover }
  }

  /// The mean over a square, along rows and then along columns.
  private mutating func blur(_ radius: Int) {
    for along in [1, size] {
      let source = canvas
      let across = along == 1 ? size : 1
      for line in 0..<size {
        var sum = SIMD3<Float>()
        for i in 0..<min(radius, size) { sum += source[line * across + i * along] }
        for i in 0..<size {
          if i + radius < size { sum += source[line * across + (i + radius) * along] }
          if i - radius - 1 >= 0 { sum -= source[line * across + (i - radius - 1) * along] }
          canvas[line * across + i * along] = sum / Float(min(size - 1, i + radius) - max(0, i - radius) + 1)
        }
      }
    }
  }

  /// The canvas as bytes, with sensor noise, black outside the disc; left eyes mirrored.
  private mutating func photograph() -> Photograph {
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    let half = Float(size) / 2
    for y in 0..<size {
      for x in 0..<size {
        let place = SIMD2((Float(x) + 0.5) / half - 1, (Float(y) + 0.5) / half - 1)
        guard (place * place).sum() < 0.96 * 0.96 else { continue }
        let noise = stream.uniform(-0.02, 0.02)
        let value = canvas[y * size + x] + SIMD3(repeating: noise)
        let target = (y * size + (isLeft ? size - 1 - x : x)) * 3
        for k in 0..<3 { pixels[target + k] = UInt8(max(0, min(255, (value[k] * 255).rounded()))) }
      }
    }
    return Photograph(width: size, height: size, pixels: pixels)
  }
}
