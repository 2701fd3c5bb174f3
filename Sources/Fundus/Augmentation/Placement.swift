import Foundation

/// Where a picture lies in the input: flipped, then turned and made larger or smaller about its middle, then shifted.
public struct Placement: Sendable, Equatable {
  /// Whether left and right are exchanged.
  public var isMirrored = false
  /// Whether top and bottom are exchanged.
  public var isUpsideDown = false
  /// The angle, counter-clockwise.
  public var degrees: Float = 0
  /// The factor by which it grows.
  public var zoom: Float = 1
  /// The shift, as a part of the input's width and height.
  public var right: Float = 0, down: Float = 0

  /// A placement; nothing moves unless told.
  public init(
    isMirrored: Bool = false, isUpsideDown: Bool = false, degrees: Float = 0, zoom: Float = 1, right: Float = 0,
    down: Float = 0
  ) {
    (self.isMirrored, self.isUpsideDown, self.degrees) = (isMirrored, isUpsideDown, degrees)
    (self.zoom, self.right, self.down) = (zoom, right, down)
  }

  /// Whether every pixel stays in its place, or in its mirrored place.
  var isExact: Bool { !isUpsideDown && degrees == 0 && zoom == 1 && right == 0 && down == 0 }

  /// The place in the picture, in pixels from its top left corner, that the input shows at `x` and `y`.
  public func source(_ x: Double, _ y: Double, width: Int, height: Int) -> (x: Double, y: Double) {
    let map = Map(self, width: width, height: height)
    return (map.x.start + x * map.x.perColumn + y * map.x.perRow, map.y.start + x * map.y.perColumn + y * map.y.perRow)
  }

  /// The affine map from places in the input to places in the picture.
  struct Map {
    typealias Line = (start: Double, perColumn: Double, perRow: Double)
    let x, y: Line

    init(_ placement: Placement, width: Int, height: Int) {
      let angle = Double(placement.degrees) * .pi / 180
      let (c, s) = (cos(angle) / Double(placement.zoom), sin(angle) / Double(placement.zoom))
      let (middleX, middleY) = (Double(width) / 2, Double(height) / 2)
      let (signX, signY) = (placement.isMirrored ? -1.0 : 1, placement.isUpsideDown ? -1.0 : 1)
      // Rows count downwards, so that a turn counter-clockwise looks clockwise in these numbers.
      let (startX, startY) = (
        -middleX - Double(placement.right) * Double(width), -middleY - Double(placement.down) * Double(height)
      )
      x = (middleX + signX * (c * startX - s * startY), signX * c, signX * -s)
      y = (middleY + signY * (s * startX + c * startY), signY * s, signY * c)
    }
  }
}
