import Foundation

/// Memory for tensors: page aligned, zeroed, in huge pages where the system gives them, freed with the object.
///
/// One storage is one mapping; the engine cuts it into tensors. Whoever holds pointers into it must hold the storage.
public final class Storage: @unchecked Sendable {
  // Unchecked: the mapping never moves and its bytes are shared on purpose; the schedule decides which operation writes when.

  /// The first byte.
  public let base: UnsafeMutableRawPointer
  /// The bytes asked for.
  public let byteCount: Int
  private let mapped: Int

  /// The boundary, in bytes, on which the engine places tensors: one cache line, one AVX-512 register.
  public static let alignment = 64

  /// The host's memory in bytes.
  private static let physical = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))

  /// Refuses `byteCount` bytes where the host has not as many, or this process may not have them. The system would grant them,
  /// and end the process when it writes to them.
  public static func require(byteCount: Int) throws {
    if byteCount > 0 { munmap(try map(byteCount), byteCount) }
  }

  private static func map(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
    guard byteCount <= physical else {
      throw Failure(.run, "\(byteCount >> 20) MiB of memory are needed at once, this host has \(physical >> 20)")
    }
    guard let map = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), map != MAP_FAILED
    else {
      throw Failure(.run, "cannot allocate \(byteCount >> 20) MiB of memory: \(String(cString: strerror(errno)))")
    }
    return map
  }

  /// Maps `byteCount` zeroed bytes; fails where the host has no such memory.
  public init(byteCount: Int) throws {
    precondition(byteCount >= 0)
    let huge = 2 << 20
    let unit = byteCount >= huge ? huge : 4096
    // Not beyond the range of integers: more than any host has is refused anyway.
    let room = min(byteCount, 1 << 60)
    mapped = max(unit, (room + unit - 1) / unit * unit) + (byteCount >= huge ? huge : 0)
    let map = try Self.map(mapped)
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
