import CZip
import Foundation

/// A workbook made part by part, in the shapes that different writers give it.
struct SpreadsheetParts {
  static let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
  static let strictMain = "http://purl.oclc.org/ooxml/spreadsheetml/main"
  static let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
  static let strictOffice = "http://purl.oclc.org/ooxml/officeDocument/relationships"
  static let package = "http://schemas.openxmlformats.org/package/2006/relationships"

  var names: [String] = []
  var parts: [String: Data] = [:]

  /// A workbook of one sheet with this `sheetData`.
  init(sheetData: String, strings: String? = nil) {
    self["_rels/.rels"] = Self.relationships([("rId1", "officeDocument", "xl/workbook.xml")])
    self["xl/workbook.xml"] = Self.workbook([("Sheet1", "rId1", nil)])
    self["xl/_rels/workbook.xml.rels"] = Self.relationships([
      ("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId2", "sharedStrings", "sharedStrings.xml"),
    ])
    self["xl/worksheets/sheet1.xml"] =
      "<worksheet xmlns=\"\(Self.main)\"><sheetData>\(sheetData)</sheetData></worksheet>"
    self["xl/sharedStrings.xml"] = "<sst xmlns=\"\(Self.main)\">\(strings ?? "")</sst>"
  }

  static func relationships(_ all: [(id: String, kind: String, target: String)], office: String = office) -> String {
    "<Relationships xmlns=\"\(package)\">"
      + all.map { "<Relationship Id=\"\($0.id)\" Type=\"\(office)/\($0.kind)\" Target=\"\($0.target)\"/>" }.joined()
      + "</Relationships>"
  }

  static func workbook(_ sheets: [(name: String, id: String, state: String?)]) -> String {
    "<workbook xmlns=\"\(main)\" xmlns:r=\"\(office)\"><sheets>"
      + sheets.enumerated().map { index, sheet in
        "<sheet name=\"\(sheet.name)\" sheetId=\"\(index + 1)\" r:id=\"\(sheet.id)\""
          + (sheet.state.map { " state=\"\($0)\"" } ?? "") + "/>"
      }.joined() + "</sheets></workbook>"
  }

  static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: "\r", with: "_x000D_")
  }

  /// The text of a part; nil removes it.
  subscript(name: String) -> String? {
    get { parts[name].map { String(decoding: $0, as: UTF8.self) } }
    set { set(name, newValue.map { Data(("<?xml version=\"1.0\"?>" + $0).utf8) }) }
  }

  mutating func set(_ name: String, _ data: Data?) {
    names.removeAll { $0 == name }
    if data != nil { names.append(name) }
    parts[name] = data
  }

  /// Renames a part in the archive only.
  mutating func rename(_ name: String, to other: String) {
    let data = parts[name]
    set(name, nil)
    set(other, data)
  }

  /// Writes the archive.
  func write(to path: String) throws {
    var code: Int32 = 0
    guard let archive = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code) else { throw CocoaError(.fileWriteUnknown) }
    let buffers = names.map { name in
      let data = parts[name] ?? Data()
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, data.count), alignment: 1)
      data.copyBytes(to: buffer)
      return (buffer, data.count)
    }
    defer { buffers.forEach { $0.0.deallocate() } }
    for (name, buffer) in zip(names, buffers) {
      let source = zip_source_buffer(archive, buffer.0.baseAddress, UInt64(buffer.1), 0)
      guard zip_file_add(archive, name, source, 0) >= 0 else { throw CocoaError(.fileWriteUnknown) }
    }
    guard zip_close(archive) == 0 else { throw CocoaError(.fileWriteUnknown) }
  }
}
