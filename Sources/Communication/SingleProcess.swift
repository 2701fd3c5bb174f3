import Foundation
import Tensors

/// One rank alone: every collective is already done.
public final class SingleProcess: Communicator {
  public let rank = 0
  public let size = 1
  public let host = ProcessInfo.processInfo.hostName
  public let library = "none"

  /// A job of one.
  public init() {}

  public func barrier() {}
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {}
  public func sum(_ values: UnsafeMutableBufferPointer<Float>) {}
  public func sum(_ values: UnsafeMutableBufferPointer<Double>) {}
  public func maximum(_ value: Int) -> Int { value }
  public func allGather(_ bytes: Data) -> [Data] { [bytes] }
  public func abort(_ code: Int32) -> Never { exit(code) }
  public func close() {}
}
