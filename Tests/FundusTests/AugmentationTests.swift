import Foundation
import Fundus
import Tensors
import Testing

/// Each change of a picture on its own, against what it should do written out.
struct PictureChangeTests {
  private let height = 48
  private let width = 64

  /// Smooth in all directions, so that sampling between pixels is exact but for rounding.
  private func value(_ x: Double, _ y: Double, _ channel: Int) -> Double {
    [40 + 2.5 * x, 200 - 3 * y, 60 + x + 1.5 * y][channel]
  }

  private var pixels: [UInt8] {
    (0..<height * width * 3).map { UInt8(value(Double($0 / 3 % width), Double($0 / 3 / width), $0 % 3).rounded()) }
  }

  /// The picture after `change`, as bytes again.
  private func render(_ change: PictureChange, _ pixels: [UInt8]? = nil) -> [Double] {
    var result = [Float](repeating: .nan, count: height * width * 3)
    (pixels ?? self.pixels).withUnsafeBufferPointer { pixels in
      result.withUnsafeMutableBufferPointer { change.render(pixels, height: height, width: width, into: $0) }
    }
    return result.enumerated().map { i, value in
      255 * Double(value * Normalisation.deviation[i % 3] + Normalisation.mean[i % 3])
    }
  }

  private func at(_ image: [Double], _ x: Int, _ y: Int) -> [Double] {
    (0..<3).map { image[(y * width + x) * 3 + $0] }
  }

  private func expectClose(_ a: [Double], _ b: [Double], _ bar: Double, _ what: String) {
    #expect(zip(a, b).allSatisfy { abs($0 - $1) <= bar }, "\(what): \(a) and \(b)")
  }

  @Test func nothingChangesWhereNothingIsAsked() {
    let plain = render(PictureChange())
    for i in plain.indices where abs(plain[i] - Double(pixels[i])) > 1e-3 { Issue.record("value \(i)") }
    // The sampled way gives the same, up to float32's rounding.
    let sampled = render(PictureChange(colour: ColourChange(brightness: 1.0000001)))
    for i in plain.indices where abs(plain[i] - sampled[i]) > 1e-2 { Issue.record("value \(i)") }
  }

  @Test func flipsExchangeColumnsAndRows() {
    for (placement, place) in [
      (Placement(isMirrored: true), { x, y in (63 - x, y) }), (Placement(isUpsideDown: true), { x, y in (x, 47 - y) }),
      (Placement(isMirrored: true, isUpsideDown: true), { x, y in (63 - x, 47 - y) }),
      (Placement(degrees: 180), { x, y in (63 - x, 47 - y) }),
    ] as [(Placement, (Int, Int) -> (Int, Int))] {
      let (plain, flipped) = (render(PictureChange()), render(PictureChange(placement: placement)))
      for (x, y) in [(0, 0), (63, 0), (10, 40), (33, 21)] {
        let (fromX, fromY) = place(x, y)
        expectClose(at(flipped, x, y), at(plain, fromX, fromY), 0.02, "\(placement) at \(x),\(y)")
      }
    }
  }

  /// A turn to the left takes what is on the right to the top; beyond the picture's edge it is black.
  @Test func rotationTurnsCounterClockwise() {
    let turned = render(PictureChange(placement: Placement(degrees: 90)))
    for (x, y) in [(32, 24), (20, 10), (40, 40), (31, 3)] {
      // From the middle (32, 24): right goes up, down goes right.
      let (right, down) = (Double(x) + 0.5 - 32, Double(y) + 0.5 - 24)
      let (fromX, fromY) = (32 - down - 0.5, 24 + right - 0.5)
      expectClose(at(turned, x, y), (0..<3).map { value(fromX, fromY, $0) }, 1, "\(x),\(y)")
    }
    #expect(at(turned, 0, 24).allSatisfy { abs($0) < 0.01 })
  }

  @Test(arguments: 0..<20)
  func anyPlacementShowsWhatItsMapSays(seed: Int) {
    var stream = CounterRandom(seed: UInt64(seed)).stream(.test)
    let placement = Placement(
      isMirrored: stream.uniform() < 0.5, isUpsideDown: stream.uniform() < 0.5, degrees: stream.uniform(-180, 180),
      zoom: stream.uniform(0.6, 1.7), right: stream.uniform(-0.2, 0.2), down: stream.uniform(-0.2, 0.2))
    let image = render(PictureChange(placement: placement))
    for y in 0..<height {
      for x in 0..<width {
        // The definition: flip, turn and enlarge about the middle, shift; undone from the last to the first.
        let angle = Double(placement.degrees) * .pi / 180
        let u = Double(x) + 0.5 - 32 - Double(placement.right) * 64
        let v = Double(y) + 0.5 - 24 - Double(placement.down) * 48
        var fromX = (u * cos(angle) - v * sin(angle)) / Double(placement.zoom)
        var fromY = (u * sin(angle) + v * cos(angle)) / Double(placement.zoom)
        if placement.isMirrored { fromX = -fromX }
        if placement.isUpsideDown { fromY = -fromY }
        (fromX, fromY) = (fromX + 32 - 0.5, fromY + 24 - 0.5)
        let told = placement.source(Double(x) + 0.5, Double(y) + 0.5, width: width, height: height)
        if abs(told.x - 0.5 - fromX) + abs(told.y - 0.5 - fromY) > 1e-6 {
          Issue.record("seed \(seed): map at \(x),\(y)")
        }
        let isInside = fromX >= 0 && fromX <= 63 && fromY >= 0 && fromY <= 47
        let isOutside = fromX < -1 || fromX > 64 || fromY < -1 || fromY > 48
        guard isInside || isOutside else { continue }
        let expected = (0..<3).map { isInside ? value(fromX, fromY, $0) : 0 }
        if zip(at(image, x, y), expected).contains(where: { abs($0 - $1) > 1.5 }) {
          Issue.record("seed \(seed): \(at(image, x, y)) and \(expected) at \(x),\(y)")
          return
        }
      }
    }
  }

  /// Against the textbook's formulas, one step after the other.
  @Test(arguments: 0..<20)
  func coloursChangeAsDefined(seed: Int) {
    var stream = CounterRandom(seed: UInt64(seed)).stream(.test)
    let change = ColourChange(
      brightness: stream.uniform(0.5, 1.3), contrast: stream.uniform(0.5, 1.5), saturation: stream.uniform(0.4, 1.6))
    var colour: SIMD3<Float> { SIMD3(stream.uniform(60, 180), stream.uniform(60, 180), stream.uniform(60, 180)) }
    let (pixel, mean) = (colour, colour)
    func grey(_ pixel: [Float]) -> Float { 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2] }
    func channels(_ pixel: SIMD3<Float>) -> [Float] { [pixel.x, pixel.y, pixel.z] }
    var expected = channels(pixel).map { $0 * change.brightness }
    let middle = grey(channels(mean).map { $0 * change.brightness })
    expected = expected.map { middle + ($0 - middle) * change.contrast }
    let own = grey(expected)
    expected = expected.map { own + ($0 - own) * change.saturation }.map { min(255, max(0, $0)) }
    expectClose(channels(change(pixel, mean: mean)).map(Double.init), expected.map(Double.init), 0.05, "seed \(seed)")
    let image = render(PictureChange(colour: change))
    var sums = SIMD3<Float>()
    for i in pixels.indices { sums[i % 3] += Float(pixels[i]) / Float(height * width) }
    for (x, y) in [(0, 0), (63, 47), (30, 11)] {
      let place = (y * width + x) * 3
      let before = SIMD3(Float(pixels[place]), Float(pixels[place + 1]), Float(pixels[place + 2]))
      expectClose(
        at(image, x, y), channels(change(before, mean: sums)).map(Double.init), 0.1, "seed \(seed) at \(x),\(y)")
    }
  }

  @Test func hueTurnsColoursAndKeepsGrey() {
    let change = ColourChange(hue: 1 / 3)
    let black = SIMD3<Float>()
    let grey = change(SIMD3(90, 90, 90), mean: black)
    #expect((grey - 90).max() < 0.5 && (grey - 90).min() > -0.5, "\(grey)")
    let red = SIMD3<Float>(140, 90, 90)
    let turned = change(red, mean: black)
    #expect(turned.x < 100 && max(turned.y, turned.z) > 105, "\(turned)")
    let back = ColourChange(hue: -1 / 3)(turned, mean: black) - red
    #expect(back.max() < 1 && back.min() > -1, "\(back)")
  }

  @Test func erasedRectanglesAreZero() {
    for seed in 0..<30 {
      var stream = CounterRandom(seed: UInt64(seed)).stream(.test)
      let erasure = Erasure(&stream)
      let place = erasure.place(rows: height, columns: width)
      #expect(place.rows.lowerBound >= 0 && place.rows.upperBound <= height && !place.rows.isEmpty)
      #expect(place.columns.lowerBound >= 0 && place.columns.upperBound <= width && !place.columns.isEmpty)
      let (plain, erased) = (render(PictureChange()), render(PictureChange(erasure: erasure)))
      for y in 0..<height {
        for x in 0..<width {
          let isErased = place.rows.contains(y) && place.columns.contains(x)
          let expected = isErased ? Normalisation.mean.map { Double($0) * 255 } : at(plain, x, y)
          if zip(at(erased, x, y), expected).contains(where: { abs($0 - $1) > 1e-3 }) {
            Issue.record("seed \(seed) at \(x),\(y)")
            return
          }
        }
      }
    }
  }

  @Test func mixtureAndItsShares() {
    var (a, b): ([Float], [Float]) = ([0, 1, 2], [4, 4, 4])
    b.withUnsafeBufferPointer { b in a.withUnsafeMutableBufferPointer { Mixup.mix($0, b, share: 0.75) } }
    #expect(a == [1, 1.75, 2.5])
    // The mean of the larger of x and 1 - x is 1/2 + E|x - 1/2|: 0.75 for alpha 1, where x is uniform, and more for less.
    for (alpha, low, high) in [(Float(1), 0.74, 0.76), (0.4, 0.8, 0.9), (0.05, 0.95, 1)] {
      var stream = CounterRandom(seed: 5).stream(.test)
      let shares = (0..<4000).map { _ in Double(Mixup.share(alpha, &stream)) }
      let mean = shares.reduce(0, +) / 4000
      #expect(shares.allSatisfy { (0.5...1).contains($0) } && mean > low && mean < high, "\(alpha): \(mean)")
    }
  }
}

struct AugmentationTests {
  private var everything: Augmentation.Settings {
    var settings = Augmentation.Settings()
    (settings.verticalFlip, settings.rotation, settings.zoom, settings.shift) = (0.3, 180, 0.87...1.15, 0.1)
    (settings.brightness, settings.contrast, settings.saturation, settings.hue) = (0.2, 0.2, 0.2, 0.05)
    (settings.erasing, settings.mixup) = (0.3, 0.4)
    return settings
  }

  /// A change depends on nothing but seed and place; one more setting leaves the others' draws as they were.
  @Test func changesFollowFromSeedAndPlace() {
    let examples = (0..<40).map { Example(patient: 3 * $0, epoch: $0 % 3, position: $0) }
    let changes = examples.map(Augmentation(seed: 4, everything, partners: [1, 2, 3]).change)
    #expect(
      examples.reversed().map(Augmentation(seed: 4, everything, partners: [1, 2, 3]).change) == changes.reversed())
    #expect(examples.map(Augmentation(seed: 5, everything, partners: [1, 2, 3]).change) != changes)
    #expect(Set(changes.map(\.exchangesEyes)).count == 2)
    let flips = examples.map { Augmentation(seed: 4).change($0).exchangesEyes }
    #expect(flips == changes.map(\.exchangesEyes))
    var less = everything
    less.mixup = 0
    less.rotation = 0
    #expect(examples.map { Augmentation(seed: 4, less).change($0).exchangesEyes } == flips)
  }

  /// Batches with everything on are the same for any number of workers and for any way to cut them, from photographs and from the
  /// cache; labels are mixed as pictures are.
  @Test func batchesDoNotDependOnWorkersOrCuts() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 12)
    let preparation = Preparation(height: 64, width: 64)
    let location = try #require(CacheLocation(dataset, preparation, .besideData))
    let cached = dataset.cached(
      in: try CacheWriter(location, preparation, workers: 1) { false }.cache(of: dataset, say: { _ in }) { _ in })
    let image = 64 * 64 * 3
    func pairs(_ dataset: Dataset, workers: Int, batch: Int, _ augmentation: Augmentation?) throws -> [[Float]] {
      let loader = Loader(dataset, preparation, augmentation: augmentation, workers: workers) { index in
        index < 12 / batch
          ? (index * batch..<(index + 1) * batch).map { Example(patient: $0, epoch: 2, position: $0) } : nil
      }
      var result: [[Float]] = []
      while let found = try loader.next() {
        for pair in 0..<batch {
          let images = found.withImages { images in
            [pair, batch + pair].flatMap { Array(images[$0 * image..<($0 + 1) * image]) }
          }
          let labels = found.labels[pair * 8..<pair * 8 + 8]
          let eyes = [pair, batch + pair].flatMap { found.eyeLabels[$0 * 8..<$0 * 8 + 8] }
          result.append(images + labels + eyes)
        }
      }
      return result
    }
    let augmentation = Augmentation(seed: 9, everything, partners: Array(0..<12))
    let one = try pairs(dataset, workers: 1, batch: 1, augmentation)
    #expect(one.count == 12)
    #expect(try pairs(dataset, workers: 3, batch: 4, augmentation) == one)
    #expect(try pairs(cached, workers: 2, batch: 6, augmentation) == one)
    #expect(one.contains { $0[(2 * image)...].contains { $0 > 0.01 && $0 < 0.99 } })
    #expect(one.allSatisfy { $0.allSatisfy(\.isFinite) })

    // Mixing alone: every value lies between those of two pairs.
    var mixing = Augmentation.Settings()
    (mixing.flip, mixing.mixup) = (0, 1)
    let plain = try pairs(dataset, workers: 1, batch: 4, nil)
    let mixed = try pairs(dataset, workers: 1, batch: 4, Augmentation(seed: 9, mixing, partners: Array(0..<12)))
    for (index, values) in mixed.enumerated() {
      let partner = plain.indices.first { other in
        // The share that the first differing value tells must explain all.
        guard let place = values.indices.first(where: { abs(plain[index][$0] - plain[other][$0]) > 0.5 }) else {
          return plain[index] == values
        }
        let share = (values[place] - plain[other][place]) / (plain[index][place] - plain[other][place])
        return share >= 0.499
          && values.indices.allSatisfy {
            abs(share * plain[index][$0] + (1 - share) * plain[other][$0] - values[$0]) < 1e-3
          }
      }
      #expect(partner != nil, "pair \(index)")
    }
  }
}
