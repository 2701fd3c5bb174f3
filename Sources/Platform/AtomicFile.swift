import Foundation

/// Files that are whole or absent: written under another name, synced, renamed. A regular file is replaced and keeps its
/// permissions; nothing else is: no device, no named pipe, no folder, and nothing through a symbolic link.
public enum AtomicFile {
  /// Writes `data` to `path`. What cannot be made is `.output`, what fails on the way `.inputOutput`.
  public static func write(_ data: Data, to path: String) throws {
    let existing = try replaceable(path)
    let (temporary, file) = try make(beside: path)
    do {
      if let existing { file.adopt(existing) }
      try file.write(data)
      try file.finish()
      guard rename(temporary, path) == 0 else { throw Failure.system("write", path) }
      try syncFolder(folder(path))
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// Refuses what `write` would refuse, for callers that have long work to do before they write.
  public static func check(_ path: String) throws {
    _ = try replaceable(path)
    // Only the attempt tells: permissions do not cover read-only file systems, quotas or what the kernel makes up.
    unlink(try make(beside: path).path)
  }

  /// Makes a folder's entries durable, where its file system can.
  public static func syncFolder(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // A folder may be written to that may not be read.
    if descriptor < 0, errno == EACCES { return }
    guard descriptor >= 0 else { throw Failure.system("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 || [EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) else {
      throw Failure.system("sync", path)
    }
  }

  /// What is at `path` now: nil where nothing is; refused where it is no regular file.
  private static func replaceable(_ path: String) throws -> stat? {
    guard !path.isEmpty, !path.hasSuffix("/") else {
      throw Failure(.output, "'\(path)': not the name of a file")
    }
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw Failure.system("write", path, kind: .output)
    }
    guard status.isRegular else { throw Failure(.output, "\(path): is \(status.kind), not a regular file") }
    return status
  }

  private static func folder(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// A new file in the folder of `path`, under a name that no other process and no other thread takes.
  private static func make(beside path: String) throws -> (path: String, file: NewFile) {
    var stem = path.split(separator: "/").last.map(String.init) ?? ""
    // Room for what is added: names have at most 255 bytes.
    while stem.utf8.count > 200 { stem.removeLast() }
    for attempt in 0... {
      let temporary = "\(folder(path))/\(stem).\(getpid())-\(attempt).part"
      let created = NewFile.create(temporary)
      if created.code == EEXIST, attempt < 1000 { continue }
      return (temporary, try NewFile(created, name: path))
    }
    preconditionFailure("unreachable: the loop ends by returning or throwing")
  }
}

extension stat {
  /// Whether this is a file of bytes on a disk.
  var isRegular: Bool { st_mode & S_IFMT == S_IFREG }

  /// What this is, for a message.
  var kind: String {
    switch st_mode & S_IFMT {
    case S_IFREG: "a regular file"
    case S_IFDIR: "a folder"
    case S_IFLNK: "a symbolic link"
    case S_IFIFO: "a named pipe"
    case S_IFSOCK: "a socket"
    default: "a device"
    }
  }
}
