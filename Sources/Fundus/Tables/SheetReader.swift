import Tensors

/// The cells of a worksheet by their references.
struct SheetReader {
  /// Excel's own limits, which every other writer keeps.
  private static let (largestRow, largestColumn, longestText) = (1_048_576, 16_384, 32_767)
  /// Text of all cells together, in bytes: many cells may share one long string.
  private static let largestText = 256 << 20

  private let path: String
  private let strings: [String]
  private var rows: [Table.Row] = []
  private var (number, cells, column) = (0, [String](), 0)
  /// The columns of the header, the first row with content; what stands to the right of it has no name.
  private var width: Int?
  private var (cellCount, textLength) = (0, 0)

  init(path: String, strings: [String]) { (self.path, self.strings) = (path, strings) }

  private func failure(_ what: String) -> Failure { Failure(.data, "\(path), \(what)") }

  /// "AA7" for column 26, row 7.
  private var cellName: String {
    var (letters, quotient) = ("", column + 1)
    while quotient > 0 {
      letters = String(UnicodeScalar(UInt8(65 + (quotient - 1) % 26))) + letters
      quotient = (quotient - 1) / 26
    }
    return "cell \(letters)\(number)"
  }

  mutating func rows(_ bytes: [UInt8], part: String) throws -> [Table.Row] {
    var reader = try XMLReader(bytes, part: part)
    var isSheetData = false
    while let event = try reader.next() {
      switch event {
      case .start("sheetData"): isSheetData = true
      case .end("sheetData"): isSheetData = false
      case .start("row") where isSheetData: try beginRow(reader.attribute("r"))
      case .end("row") where isSheetData: try endRow()
      case .start("c") where isSheetData:
        try beginCell(reader.attribute("r"))
        try set(text(&reader, kind: reader.attribute("t") ?? "n"))
        column += 1
      default: break
      }
    }
    return rows
  }

  private mutating func beginRow(_ reference: String?) throws {
    (cells, column) = ([], 0)
    guard let reference else {
      number += 1
      return
    }
    guard let found = Self.natural(reference), 1...Self.largestRow ~= found else {
      throw failure("row \(Failure.excerpt(reference)): no row of a sheet, which are 1 to \(Self.largestRow)")
    }
    guard found > number else { throw failure("row \(found) stands behind row \(number)") }
    number = found
  }

  private mutating func beginCell(_ reference: String?) throws {
    if let reference {
      let letters = reference.utf8.prefix { 0x41...0x5A ~= $0 & 0xDF }
      let found = letters.prefix(4).reduce(0) { $0 * 26 + Int($1 & 0xDF) - 64 }
      let row = Self.natural(reference.utf8.dropFirst(letters.count))
      guard 1...Self.largestColumn ~= found, let row, 1...Self.largestRow ~= row else {
        throw failure(
          "cell \(Failure.excerpt(reference)) in row \(number): no cell of a sheet, which are A1 to XFD1048576")
      }
      guard row == number else { throw failure("cell \(Failure.excerpt(reference)) stands in row \(number)") }
      column = found - 1
    }
    guard column < Self.largestColumn else { throw failure("row \(number): more than \(Self.largestColumn) cells") }
  }

  /// Digits alone: no sign, no more than Excel's.
  private static func natural(_ text: some StringProtocol) -> Int? { natural(Substring(text).utf8) }

  private static func natural(_ digits: Substring.UTF8View) -> Int? {
    guard 1...7 ~= digits.count, digits.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1) - 0x30 }
  }

  /// The text of the cell whose start was met.
  private func text(_ reader: inout XMLReader, kind: String) throws -> String {
    var (value, inline, isValue) = ("", "", false)
    while let event = try reader.next(), event != .end("c") {
      switch event {
      case .start("is"): inline += try SharedStrings.text(&reader, until: "is")
      case .start("v"): isValue = true
      case .end("v"): isValue = false
      case .text(let piece) where isValue: value += piece
      default: break
      }
    }
    switch kind {
    case "s":
      if value.isEmpty { return "" }
      guard let index = Int(value.filter { !$0.isWhitespace }), strings.indices.contains(index) else {
        throw failure("\(cellName): no shared string \(Failure.excerpt(value)), there are \(strings.count)")
      }
      return strings[index]
    case "n": return inline.isEmpty ? Self.number(value) : inline
    case "str": return SharedStrings.unescaped(value)
    default: return inline.isEmpty ? value : inline
    }
  }

  /// A number without a fraction loses its decimal point and exponent.
  private static func number(_ text: String) -> String {
    let text = text.filter { !$0.isWhitespace }
    guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let number = Double(text),
      number == number.rounded(), abs(number) < 1e15
    else { return text }
    return String(Int(number))
  }

  private mutating func set(_ text: String) throws {
    guard !text.isEmpty, column < width ?? .max else { return }
    guard text.utf16.count <= Self.longestText else {
      throw failure("\(cellName) is longer than \(Self.longestText) characters")
    }
    textLength += text.utf8.count
    cellCount += max(0, column + 1 - cells.count)
    guard textLength <= Self.largestText, cellCount <= Table.largestCellCount else {
      throw failure("\(cellName): the sheet is larger than any table of patients")
    }
    while cells.count <= column { cells.append("") }
    guard cells[column].isEmpty else { throw failure("\(cellName) stands there twice") }
    cells[column] = text
  }

  private mutating func endRow() throws {
    guard !cells.isEmpty else { return }
    if width == nil { width = cells.count }
    rows.append((number, cells))
  }
}
