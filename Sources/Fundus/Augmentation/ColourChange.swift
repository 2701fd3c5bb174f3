import Foundation

/// A change of colours: brightness, then contrast, saturation and hue, each of which is a linear map, so that together they are one.
public struct ColourChange: Sendable, Equatable {
  /// The factor of all channels.
  public var brightness: Float = 1
  /// The factor of differences from the picture's mean grey.
  public var contrast: Float = 1
  /// The factor of differences from a pixel's own grey.
  public var saturation: Float = 1
  /// The turn of the colours about the grey axis, as a part of a whole turn.
  public var hue: Float = 0

  /// A change; nothing happens unless told.
  public init(brightness: Float = 1, contrast: Float = 1, saturation: Float = 1, hue: Float = 0) {
    (self.brightness, self.contrast, self.saturation, self.hue) = (brightness, contrast, saturation, hue)
  }

  /// Whether nothing changes.
  var isNone: Bool { brightness == 1 && contrast == 1 && saturation == 1 && hue == 0 }

  /// The share of each channel in a pixel's grey.
  private static let grey = SIMD3<Float>(0.299, 0.587, 0.114)

  /// `matrix` * pixel + `offset`, where pixels are RGB of 0 ... 255.
  struct Map {
    /// The matrix's columns: what a unit of red, green and blue adds.
    var columns: [SIMD3<Float>]
    var offset = SIMD3<Float>()

    init(columns: [SIMD3<Float>], offset: SIMD3<Float> = SIMD3()) { (self.columns, self.offset) = (columns, offset) }

    /// From the rows of a matrix.
    init(rows: [SIMD3<Float>]) { columns = (0..<3).map { SIMD3(rows[0][$0], rows[1][$0], rows[2][$0]) } }

    /// A multiple of the identity.
    init(factor: Float) { columns = [SIMD3(factor, 0, 0), SIMD3(0, factor, 0), SIMD3(0, 0, factor)] }

    func linear(_ pixel: SIMD3<Float>) -> SIMD3<Float> {
      columns[0] * pixel.x + columns[1] * pixel.y + columns[2] * pixel.z
    }

    func callAsFunction(_ pixel: SIMD3<Float>) -> SIMD3<Float> { linear(pixel) + offset }

    /// This map, and then `next`.
    func then(_ next: Map) -> Map { Map(columns: columns.map(next.linear), offset: next(offset)) }
  }

  // In YIQ, hue is the angle of (I, Q).
  private static let toYIQ = Map(rows: [
    SIMD3(0.299, 0.587, 0.114), SIMD3(0.596, -0.274, -0.322), SIMD3(0.211, -0.523, 0.312),
  ])
  private static let toRGB = Map(rows: [SIMD3(1, 0.956, 0.621), SIMD3(1, -0.272, -0.647), SIMD3(1, -1.106, 1.703)])

  /// What becomes of the pixels of a picture whose mean colour is `mean`.
  func map(mean: SIMD3<Float>) -> Map {
    let bright = Map(factor: brightness)
    let pivot = (Self.grey * bright(mean)).sum() * (1 - contrast)
    var contrasted = Map(factor: contrast)
    contrasted.offset = SIMD3(repeating: pivot)
    var saturated = Map(factor: saturation)
    for k in 0..<3 { saturated.columns[k] += (1 - saturation) * Self.grey[k] }
    let map = bright.then(contrasted).then(saturated)
    guard hue != 0 else { return map }
    let (c, s) = (Float(cos(Double(hue) * 2 * .pi)), Float(sin(Double(hue) * 2 * .pi)))
    let turn = Map(rows: [SIMD3(1, 0, 0), SIMD3(0, c, -s), SIMD3(0, s, c)])
    return map.then(Self.toYIQ).then(turn).then(Self.toRGB)
  }

  /// What becomes of one `pixel` (RGB, 0 ... 255) of a picture whose mean colour is `mean`.
  public func callAsFunction(_ pixel: SIMD3<Float>, mean: SIMD3<Float>) -> SIMD3<Float> {
    map(mean: mean)(pixel).clamped(lowerBound: SIMD3(repeating: 0), upperBound: SIMD3(repeating: 255))
  }
}
