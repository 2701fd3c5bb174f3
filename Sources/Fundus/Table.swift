import Foundation
@_exported import Tensors

/// A sheet of text cells with named columns, as CSV or XLSX files hold it.
struct Table {
  /// The file, for messages.
  let path: String
  /// Rows as found, each with its number in the file (the header is row 1).
  let rows: [(number: Int, cells: [String])]
  private let columns: [String: Int]

  /// Reads `path`; an `.xlsx` as a workbook, anything else as CSV.
  init(path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else { throw Failure(.missing, "\(path): no such file") }
    let sheet = path.lowercased().hasSuffix(".xlsx") ? try Workbook.read(path) : try CSV.read(path)
    guard let header = sheet.first else { throw Failure(.data, "\(path): the table is empty") }
    self.path = path
    var columns: [String: Int] = [:]
    for (index, name) in header.cells.enumerated() {
      let name = name.trimmingCharacters(in: .whitespacesAndNewlines)
      if !name.isEmpty, columns[name] == nil { columns[name] = index }
    }
    self.columns = columns
    rows = sheet.dropFirst().filter { row in row.cells.contains { !$0.isEmpty } }
  }

  /// Whether there is a column `name`.
  func has(_ name: String) -> Bool { columns[name] != nil }

  /// Refuses a table without the columns `names`.
  func require(_ names: [String]) throws {
    if let name = names.first(where: { columns[$0] == nil }) {
      throw Failure(.data, "\(path): column \(name) is missing")
    }
  }

  /// The cell of `row` in column `name`, without surrounding space; empty where the row is short.
  func cell(_ row: (number: Int, cells: [String]), _ name: String) -> String {
    guard let index = columns[name], index < row.cells.count else { return "" }
    return row.cells[index].trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

/// Comma-separated values (RFC 4180): quotes, line breaks within them, a byte-order mark, either line end.
public enum CSV {
  static func read(_ path: String) throws -> [(number: Int, cells: [String])] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(.missing, "\(path): cannot be read")
    }
    guard var text = String(data: data, encoding: .utf8) else { throw Failure(.data, "\(path): not UTF-8 text") }
    if text.hasPrefix("\u{FEFF}") { text.removeFirst() }
    var rows: [(number: Int, cells: [String])] = []
    var (cells, cell, quoted, number) = ([String](), [UInt8](), false, 1)
    var (line, begun) = (1, false)
    func endCell() {
      cells.append(String(decoding: cell, as: UTF8.self))
      cell.removeAll(keepingCapacity: true)
    }
    func endRow() {
      endCell()
      rows.append((number, cells))
      cells.removeAll()
      begun = false
    }
    let bytes = Array(text.utf8)
    var i = 0
    while i < bytes.count {
      let byte = bytes[i]
      if !begun { (number, begun) = (line, true) }
      if byte == UInt8(ascii: "\n") { line += 1 }
      if quoted {
        if byte == UInt8(ascii: "\"") {
          if i + 1 < bytes.count, bytes[i + 1] == byte { i += 1; cell.append(byte) } else { quoted = false }
        } else {
          cell.append(byte)
        }
      } else if byte == UInt8(ascii: "\""), cell.isEmpty {
        quoted = true
      } else if byte == UInt8(ascii: ",") {
        endCell()
      } else if byte == UInt8(ascii: "\n") {
        endRow()
      } else if byte != UInt8(ascii: "\r") || (i + 1 < bytes.count && bytes[i + 1] != UInt8(ascii: "\n")) {
        cell.append(byte)
      }
      i += 1
    }
    if quoted { throw Failure(.data, "\(path), row \(number): a quote is not closed") }
    if begun { endRow() }
    return rows
  }

  /// One line; cells that need it are quoted.
  public static func line(_ cells: [String]) -> String {
    cells.map { cell in
      cell.contains { ",\"\n\r".contains($0) } ? "\"\(cell.replacingOccurrences(of: "\"", with: "\"\""))\"" : cell
    }.joined(separator: ",") + "\n"
  }
}
