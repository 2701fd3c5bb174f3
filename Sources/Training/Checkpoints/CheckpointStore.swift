import Crypto
import Foundation

/// The checkpoints of a run: folders `step-N`, each whole or absent, and the links `last` and `best`.
///
/// The links are for people and for `evaluate`; a run goes on from the newest whole checkpoint by name, so a run that was copied by
/// a tool that loses links, follows them or leaves them dangling is still whole.
package struct CheckpointStore {
  /// A checkpoint's place.
  struct Entry {
    let step: Int
    let path: String
    /// The folder's name.
    var name: String { URL(fileURLWithPath: path).lastPathComponent }
  }

  /// The folder of checkpoints.
  let folder: String
  /// Hears what could not be done and does no harm.
  private let warn: (String) -> Void

  /// The checkpoints in `folder`.
  package init(folder: String, warn: @escaping (String) -> Void = { _ in }) {
    (self.folder, self.warn) = (folder, warn)
  }

  /// The folder of step `step`.
  static func name(_ step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  /// The step in a checkpoint's name; nil where it is none.
  static func step(_ name: String) -> Int? {
    guard name.hasPrefix("step-") else { return nil }
    let digits = name.dropFirst("step-".count)
    return digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(digits) : nil
  }

  /// The checkpoints by step, oldest first: those by name, and those that a copy left as folders in the links' place. Folders
  /// that lack a file, which no writer leaves behind, are passed over.
  func entries() -> [Entry] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    var result: [Int: Entry] = [:]
    for name in names {
      let path = "\(folder)/\(name)"
      let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
      let byName = Self.step(name)
      guard byName != nil || (!isLink && ["last", "best"].contains(name)), Self.isWhole(path) else { continue }
      guard let step = byName ?? (try? State(path: "\(path)/state.json"))?.step else { continue }
      if result[step] == nil || byName != nil { result[step] = Entry(step: step, path: path) }
    }
    return result.values.sorted { $0.step < $1.step }
  }

  /// Whether the folder has a state and every file that the state names; a state that cannot be read counts, so that it is
  /// refused by name and not passed over.
  private static func isWhole(_ path: String) -> Bool {
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }
    guard exists("state.json") else { return false }
    return (try? State(path: "\(path)/state.json"))?.files.keys.allSatisfy(exists) ?? true
  }

  /// The newest whole checkpoint, opened; nil where there is none. Newer folders that are not whole are said.
  func newest() throws -> Checkpoint? {
    let (entries, names) = (entries(), (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
    for name in names.sorted() where Self.step(name) ?? 0 > entries.last?.step ?? -1 {
      warn("\(folder)/\(name): passed over, for it lacks a file of a whole checkpoint")
    }
    guard let entry = entries.last else { return nil }
    let checkpoint = try Checkpoint(folder: entry.path)
    guard checkpoint.state.step == entry.step else {
      throw Failure(.data, "\(entry.path): holds step \(checkpoint.state.step), which is not its name's")
    }
    return checkpoint
  }

  /// The folder of the checkpoint that `path` means: a checkpoint's own, or of a run the best, or else the newest.
  static func resolve(_ path: String) throws -> String {
    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    // A link is followed once, so that all files come from one checkpoint.
    if exists("\(path)/state.json") { return URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
    guard exists(path) else { throw Failure(.missing, "\(path): no such checkpoint") }
    let store = CheckpointStore(folder: "\(path)/checkpoints")
    let best = "\(store.folder)/best"
    if exists("\(best)/state.json") { return URL(fileURLWithPath: best).resolvingSymlinksInPath().path }
    let entries = store.entries()
    // Without its link, the best is the one whose evaluation metrics.json holds.
    let metrics = FileManager.default.contents(atPath: "\(path)/metrics.json")
    let object = metrics.flatMap { try? JSONSerialization.jsonObject(with: $0) } as? [String: Any]
    let step = object?["step"] as? Int
    guard let entry = entries.first(where: { $0.step == step }) ?? entries.last else {
      throw Failure(.missing, "\(path): neither a checkpoint nor a run that has one")
    }
    return entry.path
  }

  /// Writes a checkpoint: to a temporary name, synced, renamed; then `last` points at it.
  func write(_ state: State, files: [(name: String, items: [Safetensors.Item])]) throws {
    var state = state
    let name = Self.name(state.step)
    let temporary = "\(folder)/\(name).part"
    try? FileManager.default.removeItem(atPath: temporary)
    do {
      guard mkdir(temporary, 0o755) == 0 else { throw Failure.system("make", temporary) }
      for file in files {
        var hash = SHA256()
        try Safetensors.write(file.items, metadata: ["format": "pt"], to: "\(temporary)/\(file.name)") {
          hash.update(data: $0)
        }
        state.files[file.name] = Checkpoint.hexadecimal(hash.finalize())
      }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      try AtomicFile.write(encoder.encode(state), to: "\(temporary)/state.json")
      try AtomicFile.syncFolder(temporary)
      // What stands in its place is no whole checkpoint, or the run would have gone on from it.
      remove("\(folder)/\(name)")
      guard rename(temporary, "\(folder)/\(name)") == 0 else { throw Failure.system("rename", temporary) }
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
    link("last", to: name)
    try AtomicFile.syncFolder(folder)
  }

  /// Puts the thresholds that its evaluation has tuned beside the checkpoint of `step`, where it is there.
  func write(thresholds: [String: Double], step: Int) throws {
    let path = "\(folder)/\(Self.name(step))"
    guard FileManager.default.fileExists(atPath: "\(path)/state.json") else { return }
    try AtomicFile.write(json(thresholds, indented: true), to: "\(path)/\(Checkpoint.thresholds)")
  }

  /// Points a link at the checkpoint `name`, atomically. File systems without links do without: they are a convenience.
  private func link(_ link: String, to name: String) {
    let (path, fresh) = ("\(folder)/\(link)", "\(folder)/.\(link).part")
    if (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == name { return }
    unlink(fresh)
    if symlink(name, fresh) == 0, rename(fresh, path) == 0 { return }
    let reason = String(cString: strerror(errno))
    unlink(fresh)
    warn("\(path): cannot be linked to \(name): \(reason)")
  }

  /// Makes `best` point at the checkpoint of `step`, where it is there.
  func linkBest(_ step: Int?) {
    guard let step, FileManager.default.fileExists(atPath: "\(folder)/\(Self.name(step))/state.json") else { return }
    link("best", to: Self.name(step))
  }

  /// Brings folder and links into the order that this run would have left at `step`: a folder that stands in a link's place
  /// becomes the checkpoint it is a copy of, links point where they should.
  func mend(last step: Int, best: Int?) {
    for link in ["last", "best"] {
      let path = "\(folder)/\(link)"
      let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
      guard !isLink, FileManager.default.fileExists(atPath: path) else { continue }
      let step = (try? State(path: "\(path)/state.json"))?.step
      let original = step.map { "\(folder)/\(Self.name($0))" }
      if let original, !FileManager.default.fileExists(atPath: original) {
        rename(path, original)
      } else if let original, FileManager.default.contentsEqual(atPath: path, andPath: original) {
        remove(path)
      } else {
        // Not a copy of anything here: kept, under a name that nothing reads.
        rename(path, "\(path)-\(UUID().uuidString.prefix(8))")
      }
    }
    link("last", to: Self.name(step))
    linkBest(best)
  }

  /// Removes all but the newest `keep` checkpoints up to `step` and that of step `best`.
  func prune(upTo step: Int, keep: Int, best: Int?) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let steps = names.compactMap(Self.step).filter { $0 <= step }.sorted()
    for old in steps.dropLast(keep) where old != best { remove("\(folder)/\(Self.name(old))") }
  }

  /// Removes a checkpoint: first its name, at once, so that nobody finds half of it.
  private func remove(_ path: String) {
    let hidden = "\(folder)/.\(URL(fileURLWithPath: path).lastPathComponent).removed"
    try? FileManager.default.removeItem(atPath: hidden)
    if rename(path, hidden) == 0 { try? FileManager.default.removeItem(atPath: hidden) }
  }

  /// Removes what a killed process left half written or half removed.
  func sweep() {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where name.hasSuffix(".part") || (name.hasPrefix(".") && name.hasSuffix(".removed")) {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }
}
