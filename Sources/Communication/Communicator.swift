import CMPI
import Foundation
@_exported import Tensors

/// Bytes that go to another rank, or come from it.
public struct Message {
  /// The other rank.
  public let peer: Int
  /// What is sent, or where it is received.
  public let bytes: UnsafeMutableRawBufferPointer

  /// `count` elements to or from rank `peer`.
  public init<Element>(_ peer: Int, _ values: UnsafeMutablePointer<Element>, _ count: Int) {
    self.peer = peer
    bytes = UnsafeMutableRawBufferPointer(start: values, count: count * MemoryLayout<Element>.stride)
  }
}

/// What a rank sends to others and receives from them at the same time.
public struct Exchange {
  /// What it sends.
  public var sends: [Message]
  /// What it receives, in rounds that are done one after the other.
  public var rounds: [[Message]]
  /// For so many rounds places are given to the messages at a time: the memory of one may be that of the round so many before it.
  public var window: Int

  /// An exchange of `sends`, and of `rounds` of which `window` are under way at a time.
  public init(_ sends: [Message] = [], rounds: [[Message]], window: Int) {
    (self.sends, self.rounds, self.window) = (sends, rounds, window)
  }

  /// An exchange whose messages each have a place of their own.
  public init(_ sends: [Message] = [], _ receives: [Message] = []) {
    self.init(sends, rounds: [receives], window: 1)
  }
}

/// Whether somebody waits for an exchange. It may become urgent on the way.
public final class Urgency: @unchecked Sendable {
  // Unchecked: one word that is read and written atomically.
  let flag: UnsafeMutablePointer<Int32>

  /// Somebody waits from the start, or nobody yet.
  public init(_ isUrgent: Bool = true) {
    flag = .allocate(capacity: 1)
    flag.initialize(to: isUrgent ? 1 : 0)
  }

  deinit { flag.deallocate() }

  /// Whether somebody waits.
  public func set(_ isUrgent: Bool) { dms_mpi_set_urgent(flag, isUrgent ? 1 : 0) }
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
  /// Sends and receives all of `exchange`, and returns when all is done. What one rank sends to another arrives in the order it was
  /// given, and is not taken for what is sent for another purpose. `arrived` is called for each round, in order, once all of it is
  /// there. Waiting leaves the processor to others, all the more where it is not urgent.
  func exchange(
    _ exchange: Exchange, _ urgency: Urgency, for purpose: Collective, arrived: (_ round: Int) -> Void) throws
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

  /// Sends and receives all of `exchange`, and returns when all is done.
  public func exchange(_ exchange: Exchange, _ urgency: Urgency, for purpose: Collective) throws {
    try self.exchange(exchange, urgency, for: purpose) { _ in }
  }
}

/// A communicator that passes on to another what it does not do itself.
package protocol ForwardingCommunicator: Communicator {
  /// The other.
  var base: any Communicator { get }
}

extension ForwardingCommunicator {
  package var rank: Int { base.rank }
  package var size: Int { base.size }
  package var hosts: [String] { base.hosts }
  package var library: String { base.library }
  package var whereabouts: Whereabouts { base.whereabouts }

  package func barrier() throws { try base.barrier() }
  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    try base.broadcast(bytes, root: root)
  }
  package func exchange(
    _ exchange: Exchange, _ urgency: Urgency, for purpose: Collective, arrived: (_ round: Int) -> Void
  ) throws {
    try base.exchange(exchange, urgency, for: purpose, arrived: arrived)
  }
  package func sum(_ values: UnsafeMutableBufferPointer<Float>) throws { try base.sum(values) }
  package func sum(_ values: UnsafeMutableBufferPointer<Double>) throws { try base.sum(values) }
  package func maximum(_ value: Int) throws -> Int { try base.maximum(value) }
  package func allGather(_ bytes: Data) throws -> [Data] { try base.allGather(bytes) }
  package func abort(_ code: Int32) -> Never { base.abort(code) }
  package func close() { base.close() }
}
