import Crypto
import Foundation

/// One whole checkpoint, opened and checked. Its files stay open, so that they can be read even where a training run meanwhile
/// removes the checkpoint.
package struct Checkpoint {
  /// The folder.
  package let path: String
  /// Where the run stood.
  package let state: State
  private let files: [String: Safetensors]

  /// Opens the checkpoint in the folder `path` and compares every file's SHA-256 with the one in `state.json`. A sum that is
  /// wrong is refused by name and the checkpoint before it is offered.
  init(folder path: String) throws {
    self.path = path
    state = try State(path: "\(path)/state.json")
    var files: [String: Safetensors] = [:]
    for (name, sum) in state.files.sorted(by: { $0.key < $1.key }) {
      let file = "\(path)/\(name)"
      guard let found = try? Self.sum(file) else {
        throw Failure(.data, "\(file): missing or unreadable", hint: Self.earlier(than: path))
      }
      guard found == sum else {
        throw Failure(
          .data, "\(file): damaged, its SHA-256 is not the one in state.json", hint: Self.earlier(than: path))
      }
      files[name] = try Safetensors(path: file)
    }
    self.files = files
  }

  /// Opens the checkpoint at `path`: a checkpoint's folder, or a run's, of which the best (or else the last) is taken. Where a
  /// training run removes it at that moment, the one that took its place is opened.
  package init(_ path: String) throws {
    // A moment is enough for a checkpoint to be replaced; more tries serve a run that writes one every few milliseconds.
    for _ in 0..<200 {
      guard let folder = try? CheckpointStore.resolve(path) else {
        usleep(1000)
        continue
      }
      do {
        self = try Checkpoint(folder: folder)
        return
      } catch {
        guard !FileManager.default.fileExists(atPath: "\(folder)/state.json") else { throw error }
      }
    }
    self = try Checkpoint(folder: CheckpointStore.resolve(path))
  }

  /// The file of thresholds, which an evaluation writes.
  static let thresholds = "thresholds.json"

  /// For each of `labels` the threshold that the run's evaluation has tuned.
  package func thresholds(_ labels: [String]) throws -> [Double] {
    let name = "\(path)/\(Self.thresholds)"
    guard FileManager.default.fileExists(atPath: name) else {
      throw Failure(
        .missing, "\(name): no such file",
        hint: "train tunes thresholds at the end of an epoch, on patients that validate")
    }
    let file = try InputFile(name)
    let data = try file.read(at: 0, count: file.byteCount)
    let found = try? JSONDecoder().decode([String: Double].self, from: data)
    return try labels.map { label in
      guard let threshold = found?[label], (0...1).contains(threshold) else {
        throw Failure(.data, "\(name): no threshold of 0 to 1 for \(label)")
      }
      return threshold
    }
  }

  /// The files of weights, those that answer first: the average where the run kept one, then the last.
  package var weights: [String] { ["ema.safetensors", "model.safetensors"].filter { state.files[$0] != nil } }

  /// A file that every checkpoint of its kind has.
  package func requiredFile(_ name: String) throws -> Safetensors {
    guard let file = files[name] else { throw Failure(.data, "\(path): \(name) is missing") }
    return file
  }

  /// The SHA-256 of a file, in hexadecimal.
  private static func sum(_ path: String) throws -> String {
    let file = try InputFile(path)
    var hash = SHA256()
    for start in stride(from: 0, to: file.byteCount, by: 1 << 20) {
      hash.update(data: try file.read(at: start, count: min(1 << 20, file.byteCount - start)))
    }
    return hexadecimal(hash.finalize())
  }

  static func hexadecimal(_ digest: SHA256.Digest) -> String {
    digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// Where to look instead of a damaged checkpoint.
  private static func earlier(than folder: String) -> String? {
    let url = URL(fileURLWithPath: folder)
    let store = CheckpointStore(folder: url.deletingLastPathComponent().path)
    guard let step = CheckpointStore.step(url.lastPathComponent) else { return nil }
    return store.entries().last { $0.step < step }.map {
      "the checkpoint before it is \($0.path); remove the damaged one to go on from there"
    }
  }
}
