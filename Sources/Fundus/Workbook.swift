import CZip
import Foundation
import FoundationXML
import Tensors

/// The first sheet of an Office Open XML workbook (ECMA-376), read and written as text cells.
enum Workbook {
  /// Parts larger than this, unpacked, are refused: no table of patients is.
  private static let largestPart: UInt64 = 512 << 20

  static func read(_ path: String) throws -> [(number: Int, cells: [String])] {
    var code: Int32 = 0
    guard let archive = zip_open(path, ZIP_RDONLY, &code) else {
      throw Failure(.data, "\(path): not an XLSX workbook (not a zip archive)")
    }
    defer { zip_discard(archive) }
    func part(_ name: String) throws -> Data? {
      var about = zip_stat_t()
      guard zip_stat(archive, name, 0, &about) == 0 else { return nil }
      guard about.size <= largestPart else { throw Failure(.data, "\(path): \(name) is \(about.size) bytes long") }
      guard let file = zip_fopen(archive, name, 0) else { throw Failure(.data, "\(path): \(name) cannot be unpacked") }
      defer { zip_fclose(file) }
      var data = Data(count: Int(about.size))
      let count = data.withUnsafeMutableBytes { zip_fread(file, $0.baseAddress, about.size) }
      guard count == Int64(about.size) else { throw Failure(.data, "\(path): \(name) is damaged") }
      return data
    }
    let sheetName = try firstSheet(relations: part("xl/_rels/workbook.xml.rels"), workbook: part("xl/workbook.xml"))
    guard let sheet = try part(sheetName ?? "xl/worksheets/sheet1.xml") ?? part("xl/worksheets/sheet1.xml") else {
      throw Failure(.data, "\(path): not an XLSX workbook (it has no sheet)")
    }
    let strings = StringsReader()
    if let data = try part("xl/sharedStrings.xml"), !strings.parse(data) {
      throw Failure(.data, "\(path): xl/sharedStrings.xml is damaged")
    }
    let cells = SheetReader(strings.strings)
    guard cells.parse(sheet) else { throw Failure(.data, "\(path): the sheet is damaged") }
    return cells.rows
  }

  /// The part that holds the workbook's first sheet.
  private static func firstSheet(relations: Data?, workbook: Data?) -> String? {
    guard let relations, let workbook else { return nil }
    let sheets = AttributesReader("sheet", "r:id")
    let targets = AttributesReader("Relationship", "Id", "Target")
    guard sheets.parse(workbook), targets.parse(relations), let id = sheets.found.first?.first,
      let target = targets.found.first(where: { $0.first == id })?.last
    else { return nil }
    return target.hasPrefix("/") ? String(target.dropFirst()) : "xl/" + target
  }

  /// Writes rows as a workbook of one sheet; cells that look like whole numbers become numbers.
  static func write(_ rows: [[String]], to path: String) throws {
    func escaped(_ text: String) -> String {
      text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
    }
    var sheet =
      #"<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#
    for (number, row) in rows.enumerated() {
      sheet += "<row r=\"\(number + 1)\">"
      for cell in row {
        sheet += Int(cell) != nil ? "<c><v>\(cell)</v></c>" : "<c t=\"inlineStr\"><is><t>\(escaped(cell))</t></is></c>"
      }
      sheet += "</row>"
    }
    sheet += "</sheetData></worksheet>"
    let parts = [
      (
        "[Content_Types].xml",
        #"<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#
      ),
      (
        "_rels/.rels",
        #"<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
      ),
      (
        "xl/workbook.xml",
        #"<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="annotations" sheetId="1" r:id="rId1"/></sheets></workbook>"#
      ),
      (
        "xl/_rels/workbook.xml.rels",
        #"<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
      ),
      ("xl/worksheets/sheet1.xml", sheet),
    ].map { ($0.0, Data($0.1.utf8)) }
    var code: Int32 = 0
    guard let archive = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code) else {
      throw Failure(.output, "\(path): cannot be created")
    }
    // libzip reads the buffers when the archive is closed.
    let buffers = parts.map { part -> UnsafeMutableRawBufferPointer in
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: part.1.count, alignment: 1)
      part.1.copyBytes(to: buffer)
      return buffer
    }
    defer { buffers.forEach { $0.deallocate() } }
    for (part, buffer) in zip(parts, buffers) {
      let source = zip_source_buffer(archive, buffer.baseAddress, UInt64(buffer.count), 0)
      let index = zip_file_add(archive, part.0, source, UInt32(ZIP_FL_OVERWRITE))
      // A fixed time, so that equal tables are equal files: 1 January 1980.
      if index >= 0 { zip_file_set_dostime(archive, UInt64(index), 0, 33, 0) }
    }
    guard zip_close(archive) == 0 else {
      zip_discard(archive)
      throw Failure(.inputOutput, "\(path): cannot be written")
    }
  }
}

/// Collects chosen attributes of one kind of element.
private final class AttributesReader: NSObject, XMLParserDelegate {
  private let element: String
  private let names: [String]
  private(set) var found: [[String]] = []

  init(_ element: String, _ names: String...) {
    self.element = element
    self.names = names
  }

  func parse(_ data: Data) -> Bool {
    let parser = XMLParser(data: data)
    parser.delegate = self
    return parser.parse()
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    if name == element { found.append(names.map { attributes[$0] ?? "" }) }
  }
}

/// The shared strings of a workbook, rich text flattened, phonetic hints left out.
private final class StringsReader: NSObject, XMLParserDelegate {
  private(set) var strings: [String] = []
  private var text = ""
  private var isText = false
  private var phonetic = false

  func parse(_ data: Data) -> Bool {
    let parser = XMLParser(data: data)
    parser.delegate = self
    return parser.parse()
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    switch name {
    case "si": text = ""
    case "rPh": phonetic = true
    case "t": isText = !phonetic
    default: break
    }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { if isText { text += string } }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    switch name {
    case "si": strings.append(text)
    case "rPh": phonetic = false
    case "t": isText = false
    default: break
    }
  }
}

/// The cells of a sheet by their references; numbers without a fraction lose their decimal point.
private final class SheetReader: NSObject, XMLParserDelegate {
  private(set) var rows: [(number: Int, cells: [String])] = []
  private let strings: [String]
  private var (number, cells, column) = (0, [String](), 0)
  private var (kind, value, isValue) = ("n", "", false)

  init(_ strings: [String]) { self.strings = strings }

  func parse(_ data: Data) -> Bool {
    let parser = XMLParser(data: data)
    parser.delegate = self
    return parser.parse()
  }

  /// Column 0 for "A7", 26 for "AA7".
  private func column(_ reference: String) -> Int? {
    let letters = reference.utf8.prefix { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") }
    guard !letters.isEmpty, letters.count <= 3 else { return nil }
    return letters.reduce(0) { $0 * 26 + Int($1) - 64 } - 1
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    switch name {
    case "row":
      number = attributes["r"].flatMap { Int($0) } ?? number + 1
      (cells, column) = ([], 0)
    case "c":
      column = attributes["r"].flatMap { column($0) } ?? column
      kind = attributes["t"] ?? "n"
      value = ""
    case "v", "t": isValue = true
    default: break
    }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { if isValue { value += string } }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    switch name {
    case "v", "t": isValue = false
    case "c":
      while cells.count <= column { cells.append("") }
      cells[column] = text()
      column += 1
    case "row": rows.append((number, cells))
    default: break
    }
  }

  private func text() -> String {
    if kind == "s" { return Int(value).flatMap { strings.indices.contains($0) ? strings[$0] : nil } ?? "" }
    if kind == "n", let number = Double(value), number == number.rounded(), abs(number) < 1e15 {
      return String(Int(number))
    }
    return value
  }
}
