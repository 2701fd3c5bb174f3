import Foundation

/// The folder of one run: what was asked for, what happened and what came out. Locked while a process works on it.
public final class RunDirectory {
  /// The folder.
  public let path: String
  private let lock: Int32
  /// The checkpoints in it.
  package let checkpoints: CheckpointStore
  /// The folders that this object made, outermost first.
  private let made: [String]

  /// Whether `path` holds a run: its options, or checkpoints.
  static func isRun(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(path)/config.yaml")
      || !CheckpointStore(folder: "\(path)/checkpoints").entries().isEmpty
  }

  /// Whether a process works on the run in `path`. Where the file system knows no locks, nobody can tell, and the answer is no.
  static func isInUse(_ path: String) -> Bool {
    let lock = open("\(path)/.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard lock >= 0 else { return false }
    defer { close(lock) }
    return flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  /// Takes the lock, and waits a moment for somebody who only looks whether it is taken.
  private static func take(_ lock: Int32) -> Bool {
    for _ in 0..<20 {
      if flock(lock, LOCK_EX | LOCK_NB) == 0 { return true }
      if errno != EWOULDBLOCK { return false }
      usleep(10_000)
    }
    return false
  }

  /// Refuses a folder that holds another run.
  public static func refuseRun(_ path: String) throws {
    if isRun(path) {
      throw Failure(
        .output, "\(path): holds another run", hint: "continue it with --resume, or choose another --output")
    }
  }

  /// Makes or reopens a run's folder. Refused: a folder that holds another run (unless `resumes`), one that is in use, one
  /// that cannot be written. `warn` hears of what the file system cannot do.
  public init(_ path: String, resumes: Bool, warn: @escaping (String) -> Void) throws {
    self.path = path
    checkpoints = CheckpointStore(folder: "\(path)/checkpoints", warn: warn)
    if resumes {
      guard Self.isRun(path) else {
        throw Failure(.missing, "\(path): no run to resume (neither config.yaml nor a checkpoint is there)")
      }
    } else {
      try Self.refuseRun(path)
    }
    var (made, folder) = ([String](), checkpoints.folder)
    while folder != "/", !folder.isEmpty, !FileManager.default.fileExists(atPath: folder) {
      made.insert(folder, at: 0)
      folder = URL(fileURLWithPath: folder).deletingLastPathComponent().path
    }
    self.made = made
    do {
      try FileManager.default.createDirectory(atPath: checkpoints.folder, withIntermediateDirectories: true)
    } catch {
      Self.remove(made)
      throw Failure(.output, "\(path): cannot be made or written to")
    }
    lock = open("\(path)/.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard lock >= 0 else {
      let failure = Failure.system("write", path, kind: .output)
      Self.remove(made)
      throw failure
    }
    if !Self.take(lock) {
      guard [ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL].contains(errno) else {
        close(lock)
        throw Failure(.output, "\(path): in use by another process")
      }
      warn("\(path): the file system knows no locks; see that no other process uses this folder")
    }
    // Checked again under the lock: another process may have begun and ended meanwhile.
    if !resumes {
      do { try Self.refuseRun(path) } catch {
        close(lock)
        throw error
      }
    }
  }

  deinit { close(lock) }

  /// Removes what the start of a run made and a failure made useless.
  public func abandon() {
    for name in ["config.yaml", "environment.json", "split.csv", "log.txt", "metrics.jsonl"] where !made.isEmpty {
      unlink("\(path)/\(name)")
    }
    if made.contains(path) { unlink("\(path)/.lock") }
    Self.remove(made)
  }

  /// Removes folders that are empty, innermost first.
  private static func remove(_ folders: [String]) { for folder in folders.reversed() { rmdir(folder) } }

  /// Removes what a killed process left half written or half removed.
  func sweep() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where name.hasSuffix(".part") {
      unlink("\(path)/\(name)")
    }
    checkpoints.sweep()
  }

  /// Writes a file whole or not at all.
  public func write(_ name: String, _ data: Data) throws { try AtomicFile.write(data, to: "\(path)/\(name)") }

  /// The lines of `metrics.jsonl` as objects; one that a kill cut short is left out.
  private var metrics: [(line: Substring, object: [String: Any])] {
    let text = FileManager.default.contents(atPath: "\(path)/metrics.jsonl").map { String(decoding: $0, as: UTF8.self) }
    return (text ?? "").split(separator: "\n").compactMap { line in
      (try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]).map { (line, $0) }
    }
  }

  /// The measure `key` of the evaluation after step `step`; nil where there was none yet.
  func evaluated(_ key: String, at step: Int) -> Double? {
    let found = metrics.last { $0.object["evaluation"] as? Bool == true && $0.object["step"] as? Int == step }
    guard let line = found?.line else { return nil }
    // The line's own digits: JSONSerialization loses the last bit of some numbers, and an equal score would look better.
    let value = line.range(of: "\"\(key)\":").map { line[$0.upperBound...].prefix { !",}".contains($0) } }
    return value.flatMap { Double($0) } ?? Validation.undefined
  }

  /// Keeps the lines of `metrics.jsonl` up to step `step`, so that a resumed run does not tell a step twice.
  public func rewindMetrics(to step: Int) throws {
    let kept = metrics.filter { ($0.object["step"] as? Int).map { $0 <= step } ?? false }.map(\.line)
    try write("metrics.jsonl", Data(kept.map { $0 + "\n" }.joined().utf8))
  }

  /// Appends a line to `metrics.jsonl` or `log.txt`.
  public func append(_ name: String, _ line: String) throws {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Failure.system("write", file) }
    defer { close(descriptor) }
    let data = Data((line + "\n").utf8)
    let count = data.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, data.count) }
    guard count == data.count else { throw Failure.system("write", file) }
  }
}

/// JSON as files of a run hold it: sorted keys, one line or indented.
public func json(_ object: Any, indented: Bool = false) throws -> Data {
  var options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
  if indented { options.insert(.prettyPrinted) }
  return try JSONSerialization.data(withJSONObject: object, options: options)
}
