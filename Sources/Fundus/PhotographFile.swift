import Foundation
import Tensors

/// Files that photographs are in: regular ones. Links are followed; a pipe or device is never read, for it may not end.
enum PhotographFile {
  /// Larger files hold no photograph.
  private static let mostBytes = 1 << 30

  /// The bytes of the file at `path`.
  static func read(_ path: String) throws -> Data {
    func unreadable(_ code: Int32) -> Failure {
      Failure(.missing, "\(path): cannot be read: \(String(cString: strerror(code)))")
    }
    var status = stat()
    guard stat(path, &status) == 0 else { throw unreadable(errno) }
    try requireRegular(status, path)
    // Should it have become a pipe since, opening does not wait for a writer.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { throw unreadable(errno) }
    defer { close(file) }
    guard fstat(file, &status) == 0 else { throw unreadable(errno) }
    try requireRegular(status, path)

    let size = Int(status.st_size)
    guard size > 0 else { throw Failure(.data, "\(path): the file is empty") }
    guard size <= mostBytes else { throw Failure(.data, "\(path): \(size) bytes are too many") }
    guard let bytes = malloc(size) else { throw Failure(.run, "\(path): no memory for its \(size) bytes") }
    var count = 0
    while count < size {
      let more = Foundation.read(file, bytes + count, size - count)
      if more < 0, errno == EINTR { continue }
      guard more >= 0 else {
        let code = errno
        free(bytes)
        throw unreadable(code)
      }
      if more == 0 { break }
      count += more
    }
    return Data(bytesNoCopy: bytes, count: count, deallocator: .free)
  }

  private static func requireRegular(_ status: stat, _ path: String) throws {
    let kind: String
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFDIR: kind = "a folder"
    case S_IFIFO: kind = "a pipe"
    case S_IFSOCK: kind = "a socket"
    default: kind = "a device"
    }
    throw Failure(.data, "\(path): \(kind), not a photograph")
  }
}
