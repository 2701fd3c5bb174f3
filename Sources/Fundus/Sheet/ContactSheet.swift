import Foundation

/// A picture of pairs as the network sees them: each as prepared, and beside it several times as augmentation changes it, with
/// its labels above.
public struct ContactSheet: Sendable {
  private let plain, changed: PairRenderer
  /// How often a pair is shown changed, as in so many epochs.
  private let epochs: Int

  /// Larger pictures are made smaller to this side.
  private static let largestSide = 256
  private static let scale = 2
  private static let gap = 8

  /// A sheet of pairs of `dataset`.
  public init(_ dataset: Dataset, _ preparation: Preparation, _ augmentation: Augmentation, epochs: Int = 3) {
    plain = PairRenderer(dataset: dataset, preparation: preparation) { _ in .none }
    changed = PairRenderer(dataset: dataset, preparation: preparation, change: augmentation.change)
    self.epochs = epochs
  }

  /// At most `count` patients' places, spread over the data set.
  public func spread(_ count: Int) -> [Int] {
    let all = plain.dataset.patients.count
    return (0..<min(count, all)).map { $0 * all / min(count, all) }
  }

  /// The sheet of `patients`, places in the data set.
  public func picture(_ patients: [Int]) throws -> Photograph {
    let preparation = plain.preparation
    let shrink = min(1, Double(Self.largestSide) / Double(max(preparation.height, preparation.width)))
    let (height, width) = (
      max(1, Int(Double(preparation.height) * shrink)), max(1, Int(Double(preparation.width) * shrink))
    )
    let line = BitmapFont.lineHeight * Self.scale
    let pairWidth = 2 * width + Self.gap
    let rowHeight = line + height + Self.gap
    var sheet = Photograph(
      width: (epochs + 1) * pairWidth, height: line + patients.count * rowHeight,
      pixels: [UInt8](repeating: 40, count: (epochs + 1) * pairWidth * (line + patients.count * rowHeight) * 3))
    for column in 0...epochs {
      let title = column == 0 ? "prepared" : "epoch \(column)"
      BitmapFont.draw(title, on: &sheet, x: column * pairWidth + 2, y: 2, scale: Self.scale)
    }
    for (row, place) in patients.enumerated() {
      let top = line + row * rowHeight
      BitmapFont.draw(caption(place), on: &sheet, x: 2, y: top + 2, scale: Self.scale)
      for column in 0...epochs {
        let example = Example(patient: place, epoch: max(0, column - 1), position: place)
        let images = try images(column == 0 ? plain : changed, example)
        for (side, image) in images.enumerated() {
          let window = Window(
            around: (0..<image.height, 0..<image.width), height: height, width: width, isStretched: true)
          let pixels = window.resized(image, height: height, width: width, fill: [0, 0, 0])
          for y in 0..<height {
            let to = ((top + line + y) * sheet.width + column * pairWidth + side * width) * 3
            sheet.pixels.replaceSubrange(to..<to + width * 3, with: pixels[y * width * 3..<(y + 1) * width * 3])
          }
        }
      }
    }
    return sheet
  }

  /// Both pictures of a pair, from the values that the network gets.
  private func images(_ renderer: PairRenderer, _ example: Example) throws -> [Photograph] {
    let preparation = renderer.preparation
    let count = preparation.byteCount
    var scratch: ImageBuffer?
    let memory = ImageBuffer(count: 2 * count)
    let targets = [0, 1].map { UnsafeMutableBufferPointer(rebasing: memory.values[$0 * count..<($0 + 1) * count]) }
    try renderer.render(example, into: targets, &scratch)
    return withExtendedLifetime(memory) { targets.map(photograph) }
  }

  private func photograph(_ image: UnsafeMutableBufferPointer<Float>) -> Photograph {
    let bytes = image.enumerated().map { i, value in
      UInt8(min(255, max(0, (value * Normalisation.deviation[i % 3] + Normalisation.mean[i % 3]) * 255 + 0.5)))
    }
    return Photograph(width: plain.preparation.width, height: plain.preparation.height, pixels: bytes)
  }

  /// A patient's ID and labels, and those of both eyes.
  private func caption(_ place: Int) -> String {
    let dataset = plain.dataset
    let patient = dataset.patients[place]
    func names(_ values: [UInt8]) -> String {
      let names = zip(dataset.labels, values).filter { $1 == 1 }.map(\.0)
      return names.isEmpty ? "-" : names.joined(separator: "+")
    }
    let eyes = zip(["left", "right"], patient.eyeLabels).map { "  \($0) \(names($1))" }.joined()
    return "ID \(patient.id)" + (patient.labels.isEmpty ? "" : ": \(names(patient.labels))") + eyes
  }
}
