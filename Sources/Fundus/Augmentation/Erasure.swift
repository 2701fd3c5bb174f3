import Foundation
import Tensors

/// A rectangle that is erased (random erasing, Zhong et al. 2020): what is there becomes zero, ImageNet's mean colour.
public struct Erasure: Sendable, Equatable {
  /// Height and width, as parts of the picture's.
  public let height, width: Float
  /// Its place: 0 at the top or left, 1 at the bottom or right.
  public let vertical, horizontal: Float

  /// A rectangle of 2% to 33% of a picture, its sides in a ratio of 3:10 to 10:3.
  public init(_ stream: inout CounterRandom.Stream) {
    let area = stream.uniform(0.02, 1 / 3)
    let ratio = exp(stream.uniform(log(0.3), log(1 / 0.3)))
    (height, width) = (min(1, (area * ratio).squareRoot()), min(1, (area / ratio).squareRoot()))
    (vertical, horizontal) = (stream.uniform(), stream.uniform())
  }

  /// Rows and columns of a picture of `rows` by `columns` pixels.
  public func place(rows: Int, columns: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    func range(_ length: Float, _ position: Float, of count: Int) -> Range<Int> {
      let pixels = max(1, min(count, Int(length * Float(count) + 0.5)))
      let start = min(count - pixels, Int(position * Float(count - pixels + 1)))
      return start..<start + pixels
    }
    return (range(height, vertical, of: rows), range(width, horizontal, of: columns))
  }

  /// Erases the rectangle of an image of values [rows,columns,3].
  func erase(_ image: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int) {
    let place = place(rows: rows, columns: columns)
    for y in place.rows {
      let line = (y * columns + place.columns.lowerBound) * 3..<(y * columns + place.columns.upperBound) * 3
      UnsafeMutableBufferPointer(rebasing: image[line]).update(repeating: 0)
    }
  }
}
