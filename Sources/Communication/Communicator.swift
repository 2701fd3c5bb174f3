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

extension Communicator {
  /// "rank 1 of 4 on node07"; empty where there is one rank.
  public var place: String { size == 1 ? "" : "[rank \(rank) of \(size) on \(host)] " }

  /// Every rank brings its failure or nil; where somebody failed, all throw the failure of the lowest such rank, which
  /// names that rank.
  public func agree(on failure: Failure?) throws {
    var own = Data()
    if let failure {
      let parts = [String(failure.kind.rawValue), place + failure.message, failure.hint ?? ""]
      own = Data(parts.joined(separator: "\u{1F}").utf8)
    }
    guard try maximum(failure == nil ? 0 : 1) > 0 else { return }
    for report in try allGather(own) where !report.isEmpty {
      let parts = String(decoding: report, as: UTF8.self).split(separator: "\u{1F}", omittingEmptySubsequences: false)
      guard parts.count == 3, let code = Int32(parts[0]), let kind = Failure.Kind(rawValue: code) else { continue }
      throw Agreed(failure: Failure(kind, String(parts[1]), hint: parts[2].isEmpty ? nil : String(parts[2])))
    }
  }

  /// Runs `body` on every rank; where it fails on any, all throw. `body` must not communicate.
  public func together<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      let result = try body()
      try agree(on: nil)
      return result
    } catch let failure as Failure {
      try agree(on: failure)
      throw failure
    }
  }

  /// Runs `body` on rank 0 alone; where it fails, all throw. Others get nil. `body` must not communicate.
  public func onFirst<Result>(_ body: () throws -> Result) throws -> Result? {
    try together { rank == 0 ? try body() : nil }
  }

  /// Gives every rank rank 0's text.
  public func broadcast(_ text: String?) throws -> String {
    let own = Data((text ?? "").utf8)
    var count = rank == 0 ? own.count : 0
    try withUnsafeMutableBytes(of: &count) { try broadcast($0, root: 0) }
    var bytes = [UInt8](repeating: 0, count: count)
    if rank == 0 { bytes = Array(own) }
    try bytes.withUnsafeMutableBytes { try broadcast($0, root: 0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// A failure that every rank knows of: rank 0 reports it, and all exit with its code.
public struct Agreed: Error {
  /// What went wrong, with the rank it went wrong on.
  public let failure: Failure

  /// A failure that all ranks have agreed on or come to by themselves.
  public init(failure: Failure) { self.failure = failure }
}
