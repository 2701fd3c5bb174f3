import Foundation

/// Where the pair cache of a data set and a preparation lies: `DIR/.dmsnet/<size>-<hash>`, or below another folder.
public struct CacheLocation: Sendable {
  /// Which folder caches go to.
  public enum Choice: Sendable, Equatable {
    /// `.dmsnet` in the data set's folder.
    case besideData
    /// Another folder.
    case folder(String)
    /// No cache: photographs are decoded every time.
    case none
  }

  /// The folder of this and other caches.
  let root: String
  /// This cache's name in it.
  let name: String

  /// This cache's folder.
  public var folder: String { "\(root)/\(name)" }

  /// Nil where there is no cache to be, by `choice` or since `dataset` is no folder of photographs.
  public init?(_ dataset: Dataset, _ preparation: Preparation, _ choice: Choice) {
    guard let source = dataset.source else { return nil }
    // A cache beside its data may move with them; elsewhere it belongs to the data's folder by name.
    var facts = preparation.settings.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    switch choice {
    case .none: return nil
    case .besideData: root = "\(source.folder)/.dmsnet"
    case .folder(let folder):
      root = folder
      facts.append("data \(Dataset.absolute(source.folder))")
    }
    facts.append("table \(dataset.relative(dataset.annotations)), \(source.sheet ?? "")")
    facts.append("images \(source.images.map(dataset.relative) ?? "")")
    name = "\(preparation.size)-\(XXH64.text(XXH64.hash(facts.joined(separator: "\n"))))"
  }
}

extension Dataset {
  /// `path` as an absolute one, links followed where they lead somewhere.
  static func absolute(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return URL(fileURLWithPath: path).standardizedFileURL.path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// `path` relative to the data set's folder where it lies below it, else absolute.
  func relative(_ path: String) -> String {
    guard let folder = source?.folder else { return path }
    if path.hasPrefix(folder + "/") { return String(path.dropFirst(folder.count + 1)) }
    let (inner, outer) = (Self.absolute(path), Self.absolute(folder))
    return inner.hasPrefix(outer + "/") ? String(inner.dropFirst(outer.count + 1)) : inner == outer ? "" : inner
  }
}
