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
  /// Ends the run where ranks do not hold the same bits after step `step`: `parts`, the same ones on every rank, by name. Names the
  /// first part that differs, and the ranks that differ from most; where no side is the larger, all. Collective.
  public func verifyReplicas(_ parts: [(name: String, bytes: UnsafeRawBufferPointer)], at step: Int) throws {
    guard size > 1 else { return }
    let own = parts.map { part in
      var checksum = Checksum()
      checksum.add(part.bytes)
      return checksum.value
    }
    var whole = Checksum()
    own.withUnsafeBytes { whole.add($0) }
    let digests = try allGather(withUnsafeBytes(of: whole.value) { Data($0) })
    guard digests.contains(where: { $0 != digests[0] }) else { return }
    let all = try allGather(own.withUnsafeBytes { Data($0) }).map { data in
      data.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
    }
    guard let first = parts.indices.first(where: { part in all.contains { $0[part] != all[0][part] } }) else { return }
    let groups = RankGroups(all.map { $0[first] })
    let minority = groups.minority
    let who =
      minority.count == size
      ? groups.all.map(\.names).joined(separator: " and ") + " hold different bits of \(parts[first].name)"
      : "\(minority.names) \(minority.count == 1 ? "holds" : "hold") other bits of \(parts[first].name) than the rest"
    throw Agreed(failure: Failure(.run, "replicas differ after step \(step): \(who)"))
  }
}
