import Foundation

/// What the file system tells of a file's contents without reading it.
struct SourceStamp: Equatable {
  /// Bytes.
  let size: Int
  /// When the contents and when anything about the file last changed, in nanoseconds since 1970.
  let modified, changed: Int

  /// From the texts of an index.
  init?(_ size: String, _ modified: String, _ changed: String) {
    guard let size = Int(size), let modified = Int(modified), let changed = Int(changed) else { return nil }
    (self.size, self.modified, self.changed) = (size, modified, changed)
  }

  /// Of the file at `path`, nil where it cannot be asked.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    func nanoseconds(_ time: timespec) -> Int { time.tv_sec &* 1_000_000_000 &+ time.tv_nsec }
    size = Int(status.st_size)
    (modified, changed) = (nanoseconds(status.st_mtim), nanoseconds(status.st_ctim))
  }
}
