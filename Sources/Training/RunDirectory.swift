import Foundation

/// The folder of one run: what was asked for, what happened and what came out. Locked while a process works on it.
public final class RunDirectory {
  /// The folder.
  public let path: String
  private let lock: Int32

  /// Makes or reopens a run's folder. Refused: a folder that holds another run (unless `resumes`), one that is in use, one
  /// that cannot be written.
  public init(_ path: String, resumes: Bool) throws {
    self.path = path
    let isRun = FileManager.default.fileExists(atPath: "\(path)/config.yaml")
    if resumes, !isRun { throw Failure(.missing, "\(path): no run to resume (config.yaml is missing)") }
    if isRun, !resumes {
      throw Failure(
        .output, "\(path): holds another run", hint: "continue it with --resume, or choose another --output")
    }
    do {
      try FileManager.default.createDirectory(atPath: "\(path)/checkpoints", withIntermediateDirectories: true)
    } catch {
      throw Failure(.output, "\(path): cannot be made or written to")
    }
    lock = open("\(path)/.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard lock >= 0 else { throw Failure.system("write", path, kind: .output) }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      throw Failure(.output, "\(path): in use by another process")
    }
    // Checked again under the lock: another process may have begun and ended meanwhile.
    if !resumes, FileManager.default.fileExists(atPath: "\(path)/config.yaml") {
      close(lock)
      throw Failure(
        .output, "\(path): holds another run", hint: "continue it with --resume, or choose another --output")
    }
  }

  deinit { close(lock) }

  /// Writes a file whole or not at all.
  public func write(_ name: String, _ data: Data) throws { try AtomicFile.write(data, to: "\(path)/\(name)") }

  /// Keeps the lines of `metrics.jsonl` up to step `step`, so that a resumed run does not tell a step twice.
  public func rewindMetrics(to step: Int) throws {
    let file = "\(path)/metrics.jsonl"
    let lines = (FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? "")
      .split(separator: "\n")
    let kept = lines.filter { line in
      let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return (object?["step"] as? Int).map { $0 <= step } ?? false
    }
    try write("metrics.jsonl", Data(kept.map { $0 + "\n" }.joined().utf8))
  }

  /// Appends a line to `metrics.jsonl` or `log.txt`.
  public func append(_ name: String, _ line: String) throws {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
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
