import Tensors

/// An Office Open XML workbook (ECMA-376), found through its relationships, read as text cells.
struct Workbook {
  private let archive: Archive
  /// The worksheets as their tabs stand; sheets of other kinds (charts) left out.
  private let sheets: [(name: String, isVisible: Bool, part: String)]
  private let stringsPart: String?

  /// Sheets without cells of a table; whatever else the workbook lists as a sheet is taken for a worksheet.
  private static let otherSheets: Set<String> = ["chartsheet", "dialogsheet", "xlMacrosheet", "xlIntlMacrosheet"]

  /// The worksheets' names.
  var names: [String] { sheets.map(\.name) }

  init(_ path: String) throws {
    archive = try Archive(path)
    let main =
      try archive.relationships(of: "").first { $0.kind == "officeDocument" }?.target ?? "xl/workbook.xml"
    guard let bytes = archive.has(main) ? try archive.part(main) : nil, !main.lowercased().hasSuffix(".bin") else {
      let kind =
        main.lowercased().hasSuffix(".bin")
        ? "a binary workbook (.xlsb)"
        : archive.has("content.xml") ? "an OpenDocument file" : "a zip archive without a workbook"
      throw Failure(.data, "\(path): not an XLSX workbook (\(kind))", hint: "save it as .xlsx or CSV")
    }
    let relationships = Dictionary(
      try archive.relationships(of: main).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    let usual = "xl/sharedStrings.xml"
    stringsPart =
      relationships.values.first { $0.kind == "sharedStrings" }?.target ?? (archive.has(usual) ? usual : nil)
    var reader = try XMLReader(bytes, part: "\(path): \(Failure.excerpt(main, 60))")
    var sheets: [(name: String, isVisible: Bool, part: String)] = []
    while let event = try reader.next() {
      guard event == .start("sheet"), let id = reader.relationship, let found = relationships[id],
        !Self.otherSheets.contains(found.kind), archive.has(found.target)
      else { continue }
      let isVisible = reader.attribute("state").map { $0 == "visible" } ?? true
      sheets.append((reader.attribute("name") ?? "", isVisible, found.target))
    }
    guard !sheets.isEmpty else { throw Failure(.data, "\(path): not an XLSX workbook (it has no sheet)") }
    self.sheets = sheets
  }

  /// The rows of a sheet: by its name or else its number, from 1; nil: the first that is visible.
  func rows(_ chosen: String?) throws -> [Table.Row] {
    var sheet = sheets.first { $0.isVisible } ?? sheets[0]
    if let chosen {
      let named = sheets.first { $0.name == chosen } ?? sheets.first { $0.name.lowercased() == chosen.lowercased() }
      let number = Int(chosen).flatMap { sheets.indices.contains($0 - 1) ? sheets[$0 - 1] : nil }
      guard let found = named ?? number else {
        throw Failure(
          .missing, "\(archive.path): no sheet \(Failure.excerpt(chosen))",
          hint: "the sheets are \(Failure.excerpt(names.prefix(20).joined(separator: ", "), 100))")
      }
      sheet = found
    }
    guard let bytes = try archive.part(sheet.part) else { return [] }
    var strings: [String] = []
    if let stringsPart {
      guard let bytes = try archive.part(stringsPart) else {
        throw Failure(.data, "\(archive.path): part \(Failure.excerpt(stringsPart, 60)) is missing")
      }
      strings = try SharedStrings.read(bytes, part: "\(archive.path): \(Failure.excerpt(stringsPart, 60))")
    }
    var reader = SheetReader(path: archive.path, strings: strings)
    return try reader.rows(bytes, part: "\(archive.path): \(Failure.excerpt(sheet.part, 60))")
  }
}

/// Strings that cells name by their number.
enum SharedStrings {
  static func read(_ bytes: [UInt8], part: String) throws -> [String] {
    var reader = try XMLReader(bytes, part: part)
    var strings: [String] = []
    while let event = try reader.next() {
      guard event == .start("si") else { continue }
      strings.append(try text(&reader, until: "si"))
    }
    return strings
  }

  /// The text of a string item whose start was met: rich text flattened, phonetic hints left out.
  static func text(_ reader: inout XMLReader, until end: String) throws -> String {
    var (text, isText, phonetic) = ("", false, 0)
    while let event = try reader.next(), event != .end(end) {
      switch event {
      case .start("rPh"): phonetic += 1
      case .end("rPh"): phonetic -= 1
      case .start("t"): isText = phonetic == 0
      case .end("t"): isText = false
      case .text(let piece) where isText: text += piece
      default: break
      }
    }
    return unescaped(text)
  }

  /// Characters that XML cannot hold stand as `_x000D_`, their UTF-16 code unit (ECMA-376, ST_Xstring).
  static func unescaped(_ text: String) -> String {
    guard text.contains("_x") else { return text }
    let units = Array(text.utf16)
    var result: [UInt16] = []
    var i = 0
    while i < units.count {
      if i + 6 < units.count, units[i] == 0x5F, units[i + 1] == 0x78, units[i + 6] == 0x5F,
        let code = hexadecimal(units[i + 2..<i + 6])
      {
        result.append(code)
        i += 7
      } else {
        result.append(units[i])
        i += 1
      }
    }
    return String(decoding: result, as: UTF16.self)
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt16>) -> UInt16? {
    digits.reduce(UInt16?(0)) { value, digit in
      guard let value, let nibble = Unicode.Scalar(digit).flatMap({ Character($0).hexDigitValue }), digit < 0x80 else {
        return nil
      }
      return value << 4 | UInt16(nibble)
    }
  }
}
