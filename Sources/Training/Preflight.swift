import Foundation

/// Looks at every photograph before anything is written, so that a bad one ends a run before it begins: its first and last
/// bytes, and the whole picture where those leave a doubt.
public func preflight(_ dataset: Dataset, _ patients: [Int]) throws {
  for patient in patients {
    for path in [dataset.patients[patient].left, dataset.patients[patient].right] {
      guard let file = FileHandle(forReadingAtPath: path) else { throw Failure(.missing, "\(path): cannot be read") }
      defer { try? file.close() }
      let end = (try? file.seekToEnd()) ?? 0
      try? file.seek(toOffset: 0)
      let head = (try? file.read(upToCount: 3)) ?? Data()
      try? file.seek(toOffset: end >= 2 ? end - 2 : 0)
      let tail = (try? file.read(upToCount: 2)) ?? Data()
      if head == Data([0xFF, 0xD8, 0xFF]), tail == Data([0xFF, 0xD9]) { continue }
      _ = try Photograph(path: path)
    }
  }
}
