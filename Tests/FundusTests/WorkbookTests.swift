import Foundation
import Fundus
import Testing

struct WorkbookTests {
  private let folder: AnnotationFolder
  init() throws { folder = try AnnotationFolder() }

  /// Rows as cells with references and inline strings.
  static func sheetData(_ rows: [[String]]) -> String {
    rows.enumerated().map { number, cells in
      "<row r=\"\(number + 1)\">"
        + cells.enumerated().map { column, cell in
          "<c r=\"\(Unicode.Scalar(UInt8(65 + column)))\(number + 1)\" t=\"inlineStr\"><is><t xml:space=\"preserve\">"
            + "\(SpreadsheetParts.escaped(cell))</t></is></c>"
        }.joined() + "</row>"
    }.joined()
  }

  private static let rows = [AnnotationFolder.header, AnnotationFolder.row("1"), AnnotationFolder.row("2")]
  static let good = SpreadsheetParts(sheetData: sheetData(rows))

  /// A table whose third row has these cells of XML.
  private func ids(_ cell: String, strings: String? = nil) throws -> [String] {
    let data = Self.sheetData([AnnotationFolder.header, AnnotationFolder.row("@")])
    let place = try #require(data.range(of: #"<c r="A2".*?</c>"#, options: .regularExpression))
    return try folder.read(
      SpreadsheetParts(sheetData: data.replacingCharacters(in: place, with: cell), strings: strings)
    ).map(\.id)
  }

  private func message(_ workbook: SpreadsheetParts, sheet: String? = nil, _ kind: Failure.Kind = .data) throws
    -> String
  {
    let failure = try #require(try folder.failure { try folder.read(workbook, sheet: sheet) })
    #expect(failure.kind == kind)
    #expect(!failure.message.contains("\n") && failure.message.utf8.count < 400)
    return failure.message
  }

  @Test(arguments: [
    (#"<c r="A2"><v>12.0</v></c>"#, "12"), (#"<c><v>1E2</v></c>"#, "100"), (#"<c t="n"><v> 7 </v></c>"#, "7"),
    (#"<c><v>1e300</v></c>"#, "1e300"), (#"<c><v>0x10</v></c>"#, "0x10"), (#"<c t="b"><v>1</v></c>"#, "1"),
    (#"<c t="e"><v>#N/A</v></c>"#, "#N/A"), (#"<c t="str"><f>A1</f><v>x&amp;y</v></c>"#, "x&y"),
    (#"<c t="inlineStr"><is><r><t>a</t></r><r><rPr><b/></rPr><t>b</t></r></is></c>"#, "ab"),
    (#"<c t="inlineStr"><is><t><![CDATA[<a>]]></t></is></c>"#, "<a>"),
    (#"<c t="inlineStr"><is><t>a_x000D_b_x005F_x0041_</t></is></c>"#, "a\rb_x0041_"),
    (#"<c t="inlineStr"><is><t>_xD83D__xDE42__xZZZZ_</t></is></c>"#, "🙂_xZZZZ_"),
    (#"<c r="A2" t="s"><v>1</v></c>"#, "漢字"), (#"<c r="A2" t="d"><v>2020-01-02</v></c>"#, "2020-01-02"),
  ])
  func cellsOfEveryKindAreRead(_ cell: String, id: String) throws {
    #expect(
      try ids(cell, strings: "<si><t>no</t></si><si><t>漢</t><rPh sb=\"0\" eb=\"1\"><t>カン</t></rPh><r><t>字</t></r></si>")
        == [id])
  }

  /// The same sheet in the shapes of other writers.
  @Test func writersShapesReadTheSame() throws {
    var shapes: [(String, SpreadsheetParts)] = []
    func add(_ name: String, _ change: (inout SpreadsheetParts) -> Void) {
      var workbook = Self.good
      change(&workbook)
      shapes.append((name, workbook))
    }
    let sheet = "xl/worksheets/sheet1.xml"
    add("prefixed") { parts in
      parts[sheet] = parts[sheet]?.replacingOccurrences(of: "<?xml version=\"1.0\"?>", with: "")
        .replacingOccurrences(of: "</", with: "</x:").replacingOccurrences(
          of: "<(?=[a-z])", with: "<x:", options: .regularExpression
        ).replacingOccurrences(of: "xmlns=", with: "xmlns:x=")
    }
    add("strict") { parts in
      for name in parts.names {
        parts[name] = parts[name]?.replacingOccurrences(of: "<?xml version=\"1.0\"?>", with: "")
          .replacingOccurrences(of: SpreadsheetParts.main, with: SpreadsheetParts.strictMain)
          .replacingOccurrences(of: SpreadsheetParts.office, with: SpreadsheetParts.strictOffice)
      }
    }
    add("no references") { parts in
      parts[sheet] = parts[sheet]?.replacingOccurrences(of: "<?xml version=\"1.0\"?>", with: "")
        .replacingOccurrences(of: #" r="[A-Z]*[0-9]+""#, with: "", options: .regularExpression)
    }
    add("absolute target") { parts in
      parts["xl/_rels/workbook.xml.rels"] = SpreadsheetParts.relationships([
        ("rId1", "worksheet", "/xl/./other/../worksheets/sheet1.xml")
      ])
    }
    add("backslashes, other case") { $0.rename(sheet, to: "XL\\Worksheets\\Sheet1.xml") }
    add("elsewhere") { parts in
      parts["_rels/.rels"] = SpreadsheetParts.relationships([("a", "officeDocument", "/book.xml")])
      parts.rename("xl/workbook.xml", to: "book.xml")
      parts["_rels/book.xml.rels"] = SpreadsheetParts.relationships([("rId1", "worksheet", "xl/worksheets/sheet1.xml")])
      parts["xl/_rels/workbook.xml.rels"] = nil
    }
    add("UTF-16") { parts in
      let text = (parts[sheet] ?? "").replacingOccurrences(
        of: "<?xml version=\"1.0\"?>", with: "<?xml version=\"1.0\" encoding=\"UTF-16\"?>")
      parts.set(sheet, Data([0xFF, 0xFE]) + (text.data(using: .utf16LittleEndian) ?? Data()))
    }
    add("gaps, notes and empty styled cells") { parts in
      parts[sheet] = parts[sheet]?.replacingOccurrences(of: "<?xml version=\"1.0\"?>", with: "")
        .replacingOccurrences(
          of: "<row r=\"3\">", with: "<row r=\"3\"/><row r=\"9\" hidden=\"1\">"
        ).replacingOccurrences(of: "([A-O])3\"", with: "$19\"", options: .regularExpression)
        .replacingOccurrences(of: "</row></sheetData>", with: "<c r=\"XFD9\"><v>1</v></c></row></sheetData>")
    }
    add("charts and hidden sheets first") { parts in
      parts["xl/workbook.xml"] = SpreadsheetParts.workbook([
        ("Chart", "rId3", nil), ("Old", "rId4", "hidden"), ("Data", "rId1", "visible"),
      ])
      parts["xl/_rels/workbook.xml.rels"] = SpreadsheetParts.relationships([
        ("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId3", "chartsheet", "chartsheets/sheet1.xml"),
        ("rId4", "worksheet", "worksheets/old.xml"),
      ])
      parts["xl/worksheets/old.xml"] = "<worksheet xmlns=\"\(SpreadsheetParts.main)\"><sheetData/></worksheet>"
    }
    for (name, workbook) in shapes {
      do {
        let patients = try folder.read(workbook)
        #expect(patients.map(\.id) == ["1", "2"] && patients[1].labels == [0, 0, 0, 1, 0, 0, 0, 0], "\(name)")
      } catch { Issue.record("\(name): \(error)") }
    }
  }

  @Test(arguments: UInt64(1)...12) func randomTablesAreReadBack(_ seed: UInt64) throws {
    var random = SeededRandom(seed)
    let table = RandomTable(using: &random)
    table.expect(try folder.read(SpreadsheetParts(sheetData: Self.sheetData(table.rows))), "seed \(seed)")
    var strings: [String] = []
    let shared = table.rows.map { row in
      "<row>"
        + row.map { cell in
          strings.append("<si><t xml:space=\"preserve\">\(SpreadsheetParts.escaped(cell))</t></si>")
          return "<c t=\"s\"><v>\(strings.count - 1)</v></c>"
        }.joined() + "</row>"
    }.joined()
    table.expect(
      try folder.read(SpreadsheetParts(sheetData: shared, strings: strings.joined())), "seed \(seed), shared strings")
  }

  @Test func aSheetIsChosen() throws {
    var workbook = Self.good
    workbook["xl/workbook.xml"] = SpreadsheetParts.workbook([("Notes", "rId3", nil), ("Data", "rId1", nil)])
    workbook["xl/_rels/workbook.xml.rels"] = SpreadsheetParts.relationships([
      ("rId1", "worksheet", "worksheets/sheet1.xml"), ("rId3", "worksheet", "worksheets/notes.xml"),
    ])
    workbook["xl/worksheets/notes.xml"] =
      "<worksheet xmlns=\"\(SpreadsheetParts.main)\"><sheetData>\(Self.sheetData([["about"], ["x"]]))</sheetData></worksheet>"
    #expect(try folder.read(workbook, sheet: "Data").count == 2)
    #expect(try folder.read(workbook, sheet: "2").count == 2)
    let failure = try #require(try folder.failure { try folder.read(workbook) })
    #expect(failure.message.hasSuffix("column ID is missing"))
    #expect(failure.hint?.contains("--sheet NAME: Notes, Data") == true)
    #expect(try message(workbook, sheet: "Other", .missing).contains("no sheet Other"))
  }

  @Test(arguments: [
    (#"<row r="4294967295"><c><v>1</v></c></row>"#, "row 4294967295"), (#"<row r="-5"/>"#, "row -5"),
    (#"<row r="99999999999999999999"/>"#, "row 99999999999999999999"), (#"<row r="1048577"/>"#, "row 1048577"),
    (#"<row r="2"/>"#, "row 2 stands behind row 3"), (#"<row><c r="XFE4"><v>1</v></c></row>"#, "cell XFE4"),
    (#"<row><c r="ZZZZZZZZZZZZZZZZZZZZ4"/></row>"#, "cell ZZZZ"),
    (#"<row><c r="A7"/></row>"#, "cell A7 stands in row 4"),
    (#"<row><c r="A99999999999999999999"/></row>"#, "cell A9999"),
    (#"<row><c r="A4"><v>1</v></c><c r="A4"><v>1</v></c></row>"#, "cell A4 stands there twice"),
    (#"<row><c t="s"><v>99</v></c></row>"#, "cell A4: no shared string 99"),
    (#"<row><c t="s"><v>-1</v></c></row>"#, "cell A4: no shared string -1"),
    (#"<row><c t="e"><v>#N/A</v></c></row>"#, "row 4: label"),
  ])
  func cellsThatNoSheetHasAreNamed(_ row: String, expected: String) throws {
    let workbook = SpreadsheetParts(sheetData: Self.sheetData(Self.rows) + row)
    let message = try message(workbook)
    #expect(message.contains(expected) || expected == "row 4: label" && message.contains("row 4"), "\(message)")
  }

  @Test func damageIsFound() throws {
    let sheet = "xl/worksheets/sheet1.xml"
    var workbook = Self.good
    let whole = try #require(workbook.parts[sheet])
    for length in stride(from: 0, to: whole.count, by: 97) {
      workbook.set(sheet, whole.prefix(length))
      #expect(try message(workbook).contains(sheet))
    }
    var bytes = whole
    bytes[bytes.startIndex + whole.count / 2] = 0xFF
    workbook.set(sheet, bytes)
    #expect(try message(workbook).contains(sheet))
    workbook.set(
      sheet, Data("<!DOCTYPE a [<!ENTITY b \"x\">]>".utf8) + whole.dropFirst("<?xml version=\"1.0\"?>".utf8.count))
    #expect(try message(workbook).contains("entities"))
    workbook.set(sheet, Data(String(repeating: "<a>", count: 1 << 20).utf8))
    #expect(try message(workbook).contains(sheet))
  }

  /// The checksum is looked at, and so is the length.
  @Test func aChangedByteIsFound() throws {
    try Self.good.write(to: folder.path("t.xlsx"))
    var bytes = try Data(contentsOf: URL(fileURLWithPath: folder.path("t.xlsx")))
    // The archive's first entry is the package's relationships; look for the sheet's, whose data are compressed.
    let name = Data("xl/worksheets/sheet1.xml".utf8)
    let place = try #require(bytes.range(of: name)).upperBound
    for offset in [40, 80, 120] {
      var changed = bytes
      changed[place + offset] ^= 0x10
      #expect(try folder.failure { try folder.read(changed, name: "t.xlsx") }?.kind == .data)
    }
    bytes.removeLast(30)
    #expect(try folder.failure { try folder.read(bytes, name: "t.xlsx") }?.kind == .data)
  }

  @Test func sparseSheetsStaySmall() throws {
    let far = (4...20_004).map { "<row r=\"\($0)\"><c r=\"XFD\($0)\"><v>1</v></c></row>" }.joined()
    #expect(try folder.read(SpreadsheetParts(sheetData: Self.sheetData(Self.rows) + far)).count == 2)
    let wide = "<row r=\"1\"><c r=\"XFD1\"><v>1</v></c></row>" + far
    #expect(try message(SpreadsheetParts(sheetData: wide)).contains("larger than any table"))
  }

  @Test func aWrittenWorkbookIsTheSameEveryTime() throws {
    let synthesis = try Synthesis(patients: 3, seed: 1, size: 32, difficulty: 0, labelNoise: 0, format: .xlsx)
    let files = try ["a", "b"].map { name in
      try synthesis.write(to: folder.path(name), threads: 1)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder.path(name)).sorted() == [
          "annotations.xlsx", "images",
        ])
      return try Data(contentsOf: URL(fileURLWithPath: folder.path("\(name)/annotations.xlsx")))
    }
    #expect(files[0] == files[1])
    #expect(try Dataset(Dataset.Source(folder: folder.path("a"))).patients.map(\.id) == ["0", "1", "2"])
  }
}
