import Foundation

/// A file that is being made: opened where nothing was, so never through a link and never over what somebody else has.
public final class NewFile {
  private let name: String
  private var descriptor: Int32

  /// Makes the file `path`. What exists already is refused.
  public convenience init(_ path: String) throws { try self.init(Self.create(path), name: path) }

  /// The file that `create` made, or its failure; `name` stands for it in messages.
  init(_ created: Result, name: String) throws {
    guard created.descriptor >= 0 else {
      let isDiskAtFault = [ENOSPC, EDQUOT, EIO].contains(created.code)
      throw Failure.system("create", name, errno: created.code, kind: isDiskAtFault ? .inputOutput : .output)
    }
    (self.name, descriptor) = (name, created.descriptor)
  }

  /// A descriptor, or below 0 and the error's number.
  typealias Result = (descriptor: Int32, code: Int32)

  static func create(_ path: String) -> Result {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    return (descriptor, descriptor < 0 ? errno : 0)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Appends `data`.
  public func write(_ data: Data) throws {
    let code = data.withUnsafeBytes { Descriptor.write($0, to: descriptor) }
    guard code == 0 else { throw Failure.system("write", name, errno: code) }
  }

  /// Takes over the permissions and, where it may, the owner of `other`.
  func adopt(_ other: stat) {
    _ = fchown(descriptor, other.st_uid, other.st_gid)
    _ = fchmod(descriptor, other.st_mode & 0o7777)
  }

  /// Puts the bytes on disk and closes.
  public func finish() throws {
    guard fsync(descriptor) == 0 else { throw Failure.system("sync", name) }
    defer { descriptor = -1 }
    guard close(descriptor) == 0 else { throw Failure.system("close", name) }
  }
}
