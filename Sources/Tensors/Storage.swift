import Foundation

/// Memory for tensors: page aligned, zeroed, in huge pages where the system gives them, freed with the object.
///
/// One storage is one mapping; the engine cuts it into tensors. Whoever holds pointers into it must hold the storage.
public final class Storage: @unchecked Sendable {
  // Unchecked: the mapping never moves and its bytes are shared on purpose; the schedule says who writes when.

  /// The first byte.
  public let base: UnsafeMutableRawPointer
  /// The bytes asked for.
  public let byteCount: Int
  private let mapped: Int

  /// The boundary, in bytes, on which the engine places tensors: one cache line, one AVX-512 register.
  public static let alignment = 64

  /// Maps `byteCount` zeroed bytes; fails where the system has no memory.
  public init(byteCount: Int) throws {
    let huge = 2 << 20
    let unit = byteCount >= huge ? huge : 4096
    mapped = max(unit, (byteCount + unit - 1) / unit * unit) + (byteCount >= huge ? huge : 0)
    guard let map = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), map != MAP_FAILED
    else {
      throw Failure(.run, "cannot allocate \(byteCount >> 20) MiB of memory: \(String(cString: strerror(errno)))")
    }
    self.byteCount = byteCount
    mapping = map
    if byteCount >= huge {
      base = map + (huge - Int(bitPattern: map) % huge) % huge
      madvise(base, mapped - (base - map), 14)  // MADV_HUGEPAGE, which the Linux overlay does not import
    } else {
      base = map
    }
  }

  private let mapping: UnsafeMutableRawPointer

  deinit { munmap(mapping, mapped) }

  /// `bytes` rounded up to the alignment of tensors.
  public static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) / alignment * alignment }

  /// The storage as float32 elements.
  public var floats: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: Float.self), count: byteCount / 4)
  }
}
