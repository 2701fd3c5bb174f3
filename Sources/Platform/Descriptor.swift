import Foundation

/// Bytes to a descriptor, however many calls it takes.
enum Descriptor {
  /// Writes all of `bytes`; the error's number, or 0. `patience`: milliseconds to wait for a descriptor that does not block and
  /// takes nothing; below 0: for ever.
  static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, patience: Int32 = -1) -> Int32 {
    var remaining = bytes
    while !remaining.isEmpty {
      let count = Foundation.write(descriptor, remaining.baseAddress, remaining.count)
      if count > 0 {
        remaining = UnsafeRawBufferPointer(rebasing: remaining[count...])
      } else if count == 0 {
        return ENOSPC
      } else if errno == EAGAIN {
        var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        if poll(&wait, 1, patience) == 0 { return EAGAIN }
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }

  /// The same for text.
  static func write(_ text: String, to descriptor: Int32, patience: Int32 = -1) -> Int32 {
    var text = text
    return text.withUTF8 { write(UnsafeRawBufferPointer($0), to: descriptor, patience: patience) }
  }
}
