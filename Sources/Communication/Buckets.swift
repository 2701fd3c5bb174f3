import Foundation
import Tensors

/// Gradients cut into pieces that travel one by one, in the order in which the backward pass makes them final.
public struct Buckets: Sendable {
  /// The ranges of the gradient array, in order, covering it.
  public let ranges: [Range<Int>]

  /// Cuts `count` floats at the starts of tensors into buckets of at most `capacity` bytes where tensors allow it.
  public init(count: Int, tensors: [Range<Int>], capacity: Int = 25 << 20) {
    var ranges: [Range<Int>] = []
    var start = 0
    for tensor in tensors where tensor.upperBound - start > capacity / 4 && tensor.lowerBound > start {
      ranges.append(start..<tensor.lowerBound)
      start = tensor.lowerBound
    }
    if count > start { ranges.append(start..<count) }
    self.ranges = ranges
  }

  /// Adds up all ranks' gradients, bucket by bucket, in place. Each rank's are already divided by the pairs of the whole
  /// step, so the sum is the average.
  public func sum(_ gradients: UnsafeMutableBufferPointer<Float>, _ communicator: any Communicator) throws {
    for range in ranges { try communicator.sum(UnsafeMutableBufferPointer(rebasing: gradients[range])) }
  }
}
