import Foundation
@_exported import Tensors

/// The ranks of a job and what they can tell one another. Calls are collective: every rank makes the same ones in the same
/// order, from one thread.
public protocol Communicator: AnyObject {
  /// This process's number, 0 ..< `size`.
  var rank: Int { get }
  /// How many ranks there are.
  var size: Int { get }
  /// The host this rank runs on.
  var host: String { get }
  /// The library behind it, with its version.
  var library: String { get }

  /// Waits for all ranks.
  func barrier() throws
  /// Gives every rank the bytes of `root`.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws
  /// Adds up all ranks' values, in place; every rank gets the same bits.
  func sum(_ values: UnsafeMutableBufferPointer<Float>) throws
  /// Adds up all ranks' values, in place.
  func sum(_ values: UnsafeMutableBufferPointer<Double>) throws
  /// The largest of all ranks' values.
  func maximum(_ value: Int) throws -> Int
  /// Every rank's bytes, in the order of ranks.
  func allGather(_ bytes: Data) throws -> [Data]
  /// Ends the job on all ranks with an exit code.
  func abort(_ code: Int32) -> Never
  /// Leaves the job in good order.
  func close()
}
