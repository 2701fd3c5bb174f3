import Foundation
import Tensors

/// A 64-bit hash of memory that tells whether replicas hold the same bits: eight interleaved FNV-1a sums over 64-bit words.
public struct Checksum: Sendable {
  private var lanes = SIMD8<UInt64>(repeating: 0xCBF2_9CE4_8422_2325)

  /// The hash of nothing.
  public init() {}

  /// Takes in `bytes`.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let step = 64
    let whole = bytes.count / step * step
    for offset in stride(from: 0, to: whole, by: step) {
      lanes = (lanes ^ bytes.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)) &* 0x100_0000_01B3
      lanes ^= lanes &>> 29
    }
    for offset in whole..<bytes.count {
      lanes[offset & 7] = (lanes[offset & 7] ^ UInt64(bytes[offset])) &* 0x100_0000_01B3
    }
  }

  /// The hash of all that was taken in.
  public var value: UInt64 {
    (0..<8).reduce(UInt64(0xCBF2_9CE4_8422_2325)) { (($0 ^ lanes[$1]) &* 0x100_0000_01B3).byteSwapped }
  }
}

extension Communicator {
  /// Ends the run, naming the rank, unless every rank's checksum is that of rank 0.
  public func verifyReplicas(_ checksum: Checksum, at step: Int) throws {
    let own = withUnsafeBytes(of: checksum.value) { Data($0) }
    let all = try allGather(own)
    guard let different = all.firstIndex(where: { $0 != all[0] }) else { return }
    throw Agreed(
      failure: Failure(.run, "replicas differ after step \(step): rank \(different) has other weights than rank 0"))
  }
}
