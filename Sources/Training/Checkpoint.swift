import Crypto
import Foundation

/// Where a run stands.
public struct State: Codable, Sendable {
  /// Steps taken.
  public var step = 0
  /// The epoch the next step belongs to, from 0.
  public var epoch = 0
  /// Steps taken in that epoch.
  public var position = 0
  /// Steps the optimizer took: skipped ones do not count.
  public var optimizerSteps = 0
  /// The best kappa so far, and the step it was reached at.
  public var bestKappa: Double?
  /// The step of the best kappa.
  public var bestStep: Int?
  /// The run's seed.
  public var seed: UInt64 = 0
  /// The network.
  public var configuration = Configuration()
  /// Everything the run was told.
  public var options = Options()
  /// The patients that validate, by ID.
  public var validation: [String] = []
  /// A hash of the data set's IDs and labels.
  public var dataFingerprint = ""
  /// The program's version.
  public var version = ""
  /// SHA-256 of each file.
  public var files: [String: String] = [:]

  /// The start.
  public init() {}
}

/// One checkpoint on disk: whole or absent.
public struct Checkpoint {
  /// The folder.
  public let path: String
  /// Where the run stood.
  public let state: State

  /// Opens and checks the checkpoint in `path`: a checkpoint's folder, or a run's, of which the best (or else the last) is
  /// taken. A sum that is wrong is refused by name and the checkpoint before it is offered.
  public init(_ path: String, preferring links: [String] = ["best", "last"]) throws {
    var folder = path
    if !FileManager.default.fileExists(atPath: "\(folder)/state.json") {
      guard FileManager.default.fileExists(atPath: path) else { throw Failure(.missing, "\(path): no such checkpoint") }
      guard
        let link = links.first(where: { FileManager.default.fileExists(atPath: "\(path)/checkpoints/\($0)/state.json") }
        )
      else { throw Failure(.missing, "\(path): neither a checkpoint nor a run that has one") }
      let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(path)/checkpoints/\(link)")) ?? link
      folder = "\(path)/checkpoints/\(target)"
    }
    self.path = folder
    guard let data = FileManager.default.contents(atPath: "\(folder)/state.json"),
      let state = try? JSONDecoder().decode(State.self, from: data)
    else { throw Failure(.data, "\(folder)/state.json: not a checkpoint's state") }
    self.state = state
    for (name, sum) in state.files.sorted(by: { $0.key < $1.key }) {
      guard let found = Self.sum("\(folder)/\(name)") else {
        throw Failure(.data, "\(folder)/\(name): missing or unreadable", hint: Self.earlier(than: folder))
      }
      guard found == sum else {
        throw Failure(
          .data, "\(folder)/\(name): damaged, its SHA-256 is not the one in state.json",
          hint: Self.earlier(than: folder))
      }
    }
  }

  /// A file of the checkpoint, where it has it.
  public func file(_ name: String) throws -> Safetensors? {
    state.files[name] == nil ? nil : try Safetensors(path: "\(path)/\(name)")
  }

  private static func sum(_ path: String) -> String? {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) else { return nil }
    return hexadecimal(SHA256.hash(data: data))
  }

  private static func hexadecimal(_ digest: SHA256.Digest) -> String {
    digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  /// Where to look instead of a damaged checkpoint.
  private static func earlier(than folder: String) -> String? {
    let url = URL(fileURLWithPath: folder)
    let before = names(url.deletingLastPathComponent().path).filter { $0 < url.lastPathComponent }
    return before.last.map { "the checkpoint before it is \(url.deletingLastPathComponent().path)/\($0)" }
  }

  /// The checkpoints in a folder, oldest first.
  private static func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasPrefix("step-") && !$0.hasSuffix(".part") }.sorted()
  }

  /// Writes a checkpoint of `run`: to a temporary name, synced, renamed; then `last` (and `best`) point at it and all but
  /// the newest `keep` and the best go.
  public static func write(
    _ run: RunDirectory, _ state: State, files: [(name: String, items: [Safetensors.Item])], isBest: Bool, keep: Int
  ) throws {
    var state = state
    let folder = "\(run.path)/checkpoints"
    let name = "step-" + String(repeating: "0", count: max(0, 8 - String(state.step).count)) + String(state.step)
    let temporary = "\(folder)/\(name).part"
    try? FileManager.default.removeItem(atPath: temporary)
    do {
      guard mkdir(temporary, 0o755) == 0 else { throw Failure.system("make", temporary) }
      for file in files {
        var hash = SHA256()
        try Safetensors.write(file.items, metadata: ["format": "pt"], to: "\(temporary)/\(file.name)") {
          hash.update(data: $0)
        }
        state.files[file.name] = hexadecimal(hash.finalize())
      }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      try AtomicFile.write(encoder.encode(state), to: "\(temporary)/state.json")
      try sync(temporary)
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
    let target = "\(folder)/\(name)"
    try? FileManager.default.removeItem(atPath: target)
    guard rename(temporary, target) == 0 else { throw Failure.system("rename", temporary) }
    for link in isBest ? ["last", "best"] : ["last"] {
      let fresh = "\(folder)/.\(link)"
      unlink(fresh)
      guard symlink(name, fresh) == 0, rename(fresh, "\(folder)/\(link)") == 0 else {
        throw Failure.system("link", "\(folder)/\(link)")
      }
    }
    try sync(folder)
    let best = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/best")
    for old in names(folder).dropLast(keep) where old != best {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(old)")
    }
  }

  /// Makes a folder's entries durable.
  private static func sync(_ folder: String) throws {
    let descriptor = open(folder, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Failure.system("open", folder) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw Failure.system("sync", folder) }
  }

  /// Removes what a killed process left half written.
  public static func sweep(_ run: RunDirectory) {
    let folder = "\(run.path)/checkpoints"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".part") {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }
}
