import Foundation
@_exported import Tensors

/// A sheet of text cells with named columns, as CSV files and XLSX workbooks hold it.
struct Table {
  /// A row with its number in the file; a CSV counts lines.
  typealias Row = (number: Int, cells: [String])

  /// More cells than this, empty ones within rows included, are refused: memory stays bounded whatever a file claims.
  static let largestCellCount = 1 << 24

  /// The file, for messages.
  let path: String
  /// The rows below the header that have any content.
  let rows: [Row]
  /// The header's names, without surrounding space.
  private let names: [String]
  /// The places of each name, as it stands and as `folded` makes it.
  private let exact, folded: [String: [Int]]
  /// What else the file offers where a column is missing.
  private let sheets: [String]

  /// Reads `path` by its content: a workbook, of which `sheet` names one sheet (its name or, from 1, its number; nil: the first
  /// that is visible), or else CSV.
  init(path: String, sheet: String? = nil) throws {
    self.path = path
    let bytes = try Self.beginning(path)
    var found: [Row]
    if bytes.starts(with: [0x50, 0x4B]) {  // "PK", a zip archive
      let workbook = try Workbook(path)
      sheets = workbook.names
      found = try workbook.rows(sheet)
    } else if bytes.starts(with: [0xD0, 0xCF, 0x11, 0xE0]) {  // an OLE compound file
      throw Failure(
        .data, "\(path): an old (.xls) or a password-protected workbook, not an XLSX workbook",
        hint: "save it as .xlsx without a password, or as CSV")
    } else if ["xlsx", "xlsm"].contains((path as NSString).pathExtension.lowercased()) {
      throw Failure(
        .data, "\(path): not an XLSX workbook (not a zip archive)", hint: "a CSV's name should end in .csv")
    } else {
      guard sheet == nil else { throw Failure(.usage, "\(path): a CSV file has no sheets") }
      sheets = []
      found = try CSV.read(path)
    }
    guard let header = found.firstIndex(where: Self.hasContent) else {
      throw Failure(.data, "\(path): the table is empty")
    }
    let names = found[header].cells.map(Self.trimmed)
    self.names = names
    exact = Dictionary(grouping: names.indices) { names[$0] }
    folded = Dictionary(grouping: names.indices) { Self.folded(names[$0]) }
    found.removeFirst(header + 1)
    found.removeAll { !Self.hasContent($0) }
    rows = found
  }

  /// The first bytes of a regular file.
  private static func beginning(_ path: String) throws -> Data {
    var about = stat()
    guard stat(path, &about) == 0 else {
      throw errno == ENOENT ? Failure(.missing, "\(path): no such file") : .system("read", path, kind: .missing)
    }
    guard about.st_mode & S_IFMT == S_IFREG else { throw Failure(.missing, "\(path): not a regular file") }
    guard about.st_size <= CSV.largestFile else {
      throw Failure(.data, "\(path): \(about.st_size >> 20) MiB long, a table may have \(CSV.largestFile >> 20)")
    }
    guard let file = fopen(path, "rb") else { throw Failure.system("read", path, kind: .missing) }
    defer { fclose(file) }
    var bytes = Data(count: 8)
    let count = bytes.withUnsafeMutableBytes { fread($0.baseAddress, 1, $0.count, file) }
    return bytes.prefix(count)
  }

  private static func hasContent(_ row: Row) -> Bool { row.cells.contains { !$0.isEmpty && !trimmed($0).isEmpty } }

  private static let space = CharacterSet.whitespacesAndNewlines.union(CharacterSet(charactersIn: "\u{FEFF}\u{200B}"))

  private static func trimmed(_ text: String) -> String { text.trimmingCharacters(in: space) }

  /// A name as it is compared where no column has it exactly: in lower case, with single plain spaces.
  private static func folded(_ name: String) -> String {
    name.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// The columns called `name`: exactly, or else but for case and kinds of space.
  private func columns(_ name: String) -> [Int] { exact[name] ?? folded[Self.folded(name)] ?? [] }

  /// Refuses a table that lacks one of the columns `wanted` or has it twice.
  func require(_ wanted: [String]) throws {
    for name in wanted {
      let found = columns(name)
      if found.count > 1 {
        throw Failure(.data, "\(path): columns \(found[0] + 1) and \(found[1] + 1) are both called \(name)")
      }
      if found.isEmpty { throw Failure(.data, "\(path): column \(name) is missing", hint: alternatives(to: name)) }
    }
  }

  /// The column and the sheets that may have been meant.
  private func alternatives(to name: String) -> String {
    let named = names.filter { !$0.isEmpty }
    let nearest = named.prefix(1000).map { (name: $0, distance: Self.folded($0).editDistance(to: Self.folded(name))) }
      .min { $0.distance < $1.distance }
    var hint = "the columns are \(Failure.excerpt(named.prefix(20).joined(separator: ", "), 100))"
    if let nearest, name.count > 2, nearest.distance <= name.count / 2 {
      hint = "the nearest there is \(Failure.excerpt(nearest.name))"
    }
    guard sheets.count > 1 else { return hint }
    return hint + "; choose another sheet with --sheet NAME: "
      + Failure.excerpt(sheets.prefix(20).joined(separator: ", "), 100)
  }

  /// A failure of bad data in `row`.
  func failure(_ row: Row, _ what: String) -> Failure { Failure(.data, "\(path), row \(row.number): \(what)") }

  /// The cell of `row` in column `name`, without surrounding space; empty where the row is short or the column missing.
  func cell(_ row: Row, _ name: String) -> String {
    guard let index = columns(name).first, index < row.cells.count else { return "" }
    return Self.trimmed(row.cells[index])
  }

  /// The ID of `row`, never empty. A whole number loses its fraction: pandas writes 12 as 12.0 where a column once had gaps.
  func identifier(_ row: Row) throws -> String {
    let text = cell(row, "ID")
    guard !text.isEmpty else { throw failure(row, "ID is empty") }
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, parts[0].allSatisfy({ 0x30...0x39 ~= $0 }), !parts[1].isEmpty,
      parts[1].allSatisfy({ $0 == 0x30 })
    else { return text }
    return String(parts[0]) ?? text
  }

  /// The label of `row` in column `name`: 0 or 1, also as 0.0 and 1.0, false and true.
  func label(_ row: Row, _ name: String) throws -> UInt8 {
    let text = cell(row, name)
    switch text.lowercased() {
    case "0", "0.0", "false": return 0
    case "1", "1.0", "true": return 1
    default:
      throw failure(row, "label \(name) is \(text.isEmpty ? "empty" : Failure.excerpt(text)), expected 0 or 1")
    }
  }
}
