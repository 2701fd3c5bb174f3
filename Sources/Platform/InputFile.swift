import Foundation

/// A regular file that is open for reading: later changes of what its path names do not matter, and one that is cut short while
/// it is read is an error.
public final class InputFile: Sendable {
  /// The path, for messages.
  public let path: String
  /// Its bytes when it was opened.
  public let byteCount: Int
  private let descriptor: Int32

  /// Opens `path`: `.missing` where it cannot be read, `.data` where it is a folder, a device or a pipe. Never waits.
  public init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else {
      switch errno {
      case ENOENT, ENOTDIR: throw Failure(.missing, "\(path.isEmpty ? "''" : path): no such file")
      case ENXIO: throw Failure(.data, "\(path): not a regular file")
      default: throw Failure.system("read", path, kind: .missing)
      }
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.isRegular else {
      close(descriptor)
      throw Failure(.data, "\(path): is \(status.kind), not a regular file")
    }
    byteCount = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Fills `target` with the bytes from `offset` on.
  public func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < target.count {
      let count = pread(descriptor, target.baseAddress.map { $0 + done }, target.count - done, off_t(offset + done))
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw Failure.system("read", path) }
      guard count > 0 else { throw Failure(.data, "\(path): ends after \(offset + done) bytes, before its data do") }
      done += count
    }
  }

  /// `count` bytes from `offset` on.
  public func read(at offset: Int, count: Int) throws -> Data {
    var data = Data(count: count)
    try data.withUnsafeMutableBytes { try read(at: offset, into: $0) }
    return data
  }
}
