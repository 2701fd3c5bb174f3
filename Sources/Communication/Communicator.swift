import Foundation
@_exported import Tensors

/// Bytes that one rank sends and another receives.
public struct Transfer {
  /// Which way they go, seen from here.
  public enum Direction: Sendable {
    case send
    case receive
  }

  /// Which way these go.
  public let direction: Direction
  /// The other rank.
  public let peer: Int
  /// What is sent, or where it is received.
  public let bytes: UnsafeMutableRawBufferPointer

  /// `count` elements from or to rank `peer`.
  public init<Element>(_ direction: Direction, _ peer: Int, _ values: UnsafeMutablePointer<Element>, _ count: Int) {
    (self.direction, self.peer) = (direction, peer)
    bytes = UnsafeMutableRawBufferPointer(start: values, count: count * MemoryLayout<Element>.stride)
  }
}

/// Whether somebody waits for an exchange. It may become urgent on the way.
public final class Urgency: @unchecked Sendable {
  // Unchecked: one aligned word, so a reader sees the old value or the new one; either is right, it only sleeps longer or shorter.
  let flag: UnsafeMutablePointer<Int32>

  /// Somebody waits from the start, or nobody yet.
  public init(_ isUrgent: Bool = true) {
    flag = .allocate(capacity: 1)
    flag.initialize(to: isUrgent ? 1 : 0)
  }

  deinit { flag.deallocate() }

  /// Whether somebody waits.
  public func set(_ isUrgent: Bool) { flag.pointee = isUrgent ? 1 : 0 }
}

/// The ranks of a job and what they can tell one another. Calls are collective: every rank makes the same ones in the same
/// order, one at a time. They may come from any thread, and `exchange` from one while another waits for it.
public protocol Communicator: AnyObject {
  /// This process's number, 0 ..< `size`.
  var rank: Int { get }
  /// How many ranks there are.
  var size: Int { get }
  /// The host that each rank runs on.
  var hosts: [String] { get }
  /// The library behind it, with its version.
  var library: String { get }
  /// Where this rank is.
  var whereabouts: Whereabouts { get }

  /// Waits for all ranks.
  func barrier() throws
  /// Gives every rank the bytes of `root`.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws
  /// Sends and receives all of `transfers`, and returns when all are done. What one rank sends to another arrives in the order of
  /// its transfers, and is not taken for what is sent for another purpose. Waiting leaves the processor to others, all the more
  /// where it is not urgent.
  func exchange(_ transfers: [Transfer], _ urgency: Urgency, for purpose: Collective) throws
  /// Adds up all ranks' values, in place and in the order that the library likes: what the reduction in the tree's order is measured
  /// against.
  func sum(_ values: UnsafeMutableBufferPointer<Float>) throws
  /// Adds up all ranks' values, in place and in any order; every rank gets the same bits.
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

extension Communicator {
  /// The host this rank runs on.
  public var host: String { hosts[rank] }
}
