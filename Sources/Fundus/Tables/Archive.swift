import CZip
import Foundation
import Tensors

/// The parts of a workbook's zip archive.
final class Archive {
  /// Parts larger than this, unpacked, are refused: no table of patients is.
  private static let largestPart = 256 << 20

  /// The file, for messages.
  let path: String
  private let archive: OpaquePointer
  private var entries: [String: UInt64] = [:]

  init(_ path: String) throws {
    var code: Int32 = 0
    guard let archive = zip_open(path, ZIP_RDONLY, &code) else {
      throw Failure(.data, "\(path): not an XLSX workbook (not a whole zip archive)")
    }
    (self.path, self.archive) = (path, archive)
    for index in 0..<UInt64(max(0, zip_get_num_entries(archive, 0))) {
      guard let name = zip_get_name(archive, index, 0).map({ String(cString: $0) }), !name.hasSuffix("/") else {
        continue
      }
      guard entries.updateValue(index, forKey: Self.key(name)) == nil else {
        throw Failure(.data, "\(path): part \(Failure.excerpt(name)) is there twice")
      }
    }
  }

  deinit { zip_discard(archive) }

  /// Part names are compared without case (ECMA-376, part 2); some writers use the other slash.
  private static func key(_ name: String) -> String {
    let parts = name.split { $0 == "/" || $0 == "\\" }
    var kept: [Substring] = []
    for part in parts where part != "." {
      if part == ".." { _ = kept.popLast() } else { kept.append(part) }
    }
    return kept.joined(separator: "/").lowercased()
  }

  /// Whether there is a part `name`.
  func has(_ name: String) -> Bool { entries[Self.key(name)] != nil }

  /// The bytes of part `name`, nil where there is none.
  func part(_ name: String) throws -> [UInt8]? {
    guard let index = entries[Self.key(name)] else { return nil }
    let shown = "\(path): \(Failure.excerpt(name, 60))"
    guard let file = zip_fopen_index(archive, index, 0) else {
      throw Failure(.data, "\(shown) cannot be unpacked: \(String(cString: zip_strerror(archive)))")
    }
    defer { zip_fclose(file) }
    var (bytes, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 18))
    // Up to the end and once more: only there is the checksum compared.
    while true {
      let count = zip_fread(file, &chunk, UInt64(chunk.count))
      guard count >= 0 else {
        throw Failure(.data, "\(shown) is damaged: \(String(cString: zip_file_strerror(file)))")
      }
      if count == 0 { break }
      bytes += chunk.prefix(Int(count))
      guard bytes.count <= Self.largestPart else {
        throw Failure(.data, "\(shown) is longer than \(Self.largestPart >> 20) MiB")
      }
    }
    var about = zip_stat_t()
    guard zip_stat_index(archive, index, 0, &about) == 0, about.size == UInt64(bytes.count) else {
      throw Failure(.data, "\(shown) is damaged: not as long as the archive says")
    }
    return bytes
  }

  /// A relationship of a part: what it is to it, and the part it leads to.
  struct Relationship {
    let id, kind, target: String
  }

  /// The relationships of `part` ("" for the package).
  func relationships(of part: String) throws -> [Relationship] {
    let cut = part.lastIndex { $0 == "/" || $0 == "\\" }
    let folder = cut.map { part[...$0] } ?? ""
    let name = "\(folder)_rels/\(part.dropFirst(folder.count)).rels"
    guard let bytes = try self.part(name) else { return [] }
    var reader = try XMLReader(bytes, part: "\(path): \(Failure.excerpt(name, 60))")
    var found: [Relationship] = []
    while let event = try reader.next() {
      guard event == .start("Relationship"), reader.attribute("TargetMode")?.lowercased() != "external",
        let id = reader.attribute("Id"), let target = reader.attribute("Target")
      else { continue }
      let kind = reader.attribute("Type")?.split(separator: "/").last ?? ""
      let whole = target.hasPrefix("/") || target.hasPrefix("\\") ? target : folder + target
      let plain = whole.removingPercentEncoding ?? whole
      found.append(Relationship(id: id, kind: String(kind), target: has(whole) ? whole : plain))
    }
    return found
  }
}
