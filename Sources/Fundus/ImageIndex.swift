import Foundation
import Tensors

/// Files by name anywhere below a folder. Links are followed, each folder is listed once; hidden ones are left out.
struct ImageIndex {
  /// A file or folder whatever its name, by device and inode.
  private struct Identity: Hashable {
    let device: UInt64
    let inode: UInt64

    init(_ status: stat) { (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino)) }
  }

  /// Where it looked.
  let folder: String
  private var files: [String: [(path: String, identity: Identity)]] = [:]
  /// A file or folder below, if there is one, whose permissions keep it from being looked at.
  private(set) var inaccessible: String?
  /// Names by themselves without suffix and case.
  private var stems: [String: [String]] = [:]

  init(_ folder: String) throws {
    self.folder = folder
    var status = stat()
    guard stat(folder, &status) == 0 else { throw Failure(.missing, "\(folder): no such folder") }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure(.missing, "\(folder): not a folder") }
    guard let names = Self.names(folder) else { throw Failure(.missing, "\(folder): cannot be listed") }
    var seen: Set<Identity> = [Identity(status)]
    var open = [(folder, names)]
    while let (folder, names) = open.popLast() {
      for name in names {
        let path = "\(folder)/\(name)"
        guard stat(path, &status) == 0 else {
          if errno == EACCES { inaccessible = inaccessible ?? path }
          continue
        }
        let identity = Identity(status)
        if status.st_mode & S_IFMT != S_IFDIR {
          files[name, default: []].append((path, identity))
        } else if seen.insert(identity).inserted {
          if let names = Self.names(path) { open.append((path, names)) } else { inaccessible = inaccessible ?? path }
        }
      }
    }
    for name in files.keys.sorted() { stems[Self.stem(name), default: []].append(name) }
  }

  /// What a folder holds, nil where it cannot be listed. macOS leaves copies of hidden files in `__MACOSX`.
  private static func names(_ folder: String) -> [String]? {
    try? FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") && $0 != "__MACOSX" }
      .sorted()
  }

  private static func stem(_ name: String) -> String {
    (name as NSString).deletingPathExtension.lowercased()
  }

  /// A table's `cell` as a path of this system: other systems' separators become its own.
  private static func path(_ cell: String) -> String { cell.replacingOccurrences(of: "\\", with: "/") }

  private static func name(_ cell: String) -> String { (path(cell) as NSString).lastPathComponent }

  /// The path of the image a table's `cell` names, nil where it is missing. The name decides, and where files of two folders have
  /// it, folders that the cell names; else that is an error.
  func path(_ cell: String) throws -> String? {
    guard let found = files[Self.name(cell)] else { return nil }
    let inFolder = found.filter { $0.path.hasSuffix("/" + Self.path(cell)) }
    let fitting = inFolder.isEmpty ? found : inFolder
    guard let other = fitting.first(where: { $0.identity != fitting[0].identity }) else { return fitting[0].path }
    let both = [fitting[0].path, other.path].sorted()
    throw Failure(.data, "\(both[0]) and \(both[1]) have the same name", hint: "choose a folder with --images DIR")
  }

  /// A file with the name of the missing image that `cell` names, but for the suffix and the letters' case.
  func namesake(_ cell: String) -> String? { stems[Self.stem(Self.name(cell))]?.first }

  /// What is there at all, for someone who misses all images.
  var contents: String {
    if let inaccessible { return "\(inaccessible) may not be read" }
    let pictures = files.keys.filter { name in
      [".jpg", ".jpeg", ".png"].contains { name.lowercased().hasSuffix($0) }
    }
    return "\(pictures.min() ?? "no picture") is there"
  }
}

/// What is known of images that a table names and that are not there.
struct MissingImages {
  private var (left, right, both) = (0, 0, 0)
  /// An image, preferably one with a namesake.
  private var found: (absent: String, namesake: String?)?

  /// A patient lacks the `left` image, the `right` one or both; `absent` is one of them.
  mutating func add(left isLeft: Bool, right isRight: Bool, _ absent: String, _ namesake: String?) {
    if isLeft && isRight { both += 1 } else if isLeft { left += 1 } else { right += 1 }
    if found == nil || (found?.namesake == nil && namesake != nil) { found = (absent, namesake) }
  }

  /// Patients by reason.
  var counts: [(reason: String, count: Int)] {
    [("left image missing", left), ("right image missing", right), ("both images missing", both)].filter { $0.1 > 0 }
      .map { (reason: $0.0, count: $0.1) }
  }

  /// An image that is missing, with its namesake; nil where none is missing.
  var example: String? {
    found.map { "for example \($0.absent) is missing" + ($0.namesake.map { ", \($0) is there" } ?? "") }
  }
}
