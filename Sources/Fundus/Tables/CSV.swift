import Foundation

/// Comma-separated values (RFC 4180) and their dialects: semicolons or tabs, UTF-8 or UTF-16, any line end.
public enum CSV {
  /// Longer files are refused: no table of patients is.
  static let largestFile = 512 << 20

  /// Reads rows, each with the number of its first line.
  static func read(_ path: String) throws -> [Table.Row] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(.missing, "\(path): cannot be read")
    }
    var text = Array(try decoded(data, path).utf8)
    // What Excel writes and reads as the first line where the separator is not the locale's own.
    var (line, separator): (Int, UInt8?) = (1, nil)
    if text.count > 4, text.starts(with: Array("sep=".utf8)),
      text.count == 5 || text[5] == newline || text[5] == carriage
    {
      (line, separator) = (2, text[4])
      let end = text.dropFirst(5).prefix { $0 == newline || $0 == carriage }.prefix(2).count
      text.removeFirst(5 + (end == 2 && text[5] == text[6] ? 1 : end))
    }
    var parser = Parser(path: path, separator: separator ?? self.separator(text), line: line)
    return try parser.rows(text)
  }

  /// One line; cells that another reader could take for something else are quoted.
  public static func line(_ cells: [String]) -> String {
    let special = Set(",;\t\"\r\n".utf8)
    return cells.map { cell in
      let bytes = cell.utf8
      let isPlain =
        !bytes.contains(where: special.contains) && bytes.first != space && bytes.last != space
        && !(cells.count == 1 && bytes.isEmpty)
      return isPlain ? cell : "\"\(cell.replacingOccurrences(of: "\"", with: "\"\""))\""
    }.joined(separator: ",") + "\n"
  }

  fileprivate static let (newline, carriage, quote, space) = (
    UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\""), UInt8(ascii: " ")
  )

  /// The text without a byte-order mark. Text that is neither UTF-8 nor marked UTF-16 is refused rather than guessed at: a
  /// keyword read in the wrong encoding would change labels in silence.
  private static func decoded(_ data: Data, _ path: String) throws -> String {
    let utf16 = data.starts(with: [0xFF, 0xFE]) || data.starts(with: [0xFE, 0xFF])
    guard utf16 else {
      let bytes = data.starts(with: [0xEF, 0xBB, 0xBF]) ? data.dropFirst(3) : data
      if let place = bytes.firstIndex(of: 0) {
        throw Failure(
          .data, "\(path), row \(lines(bytes[..<place])): a NUL byte: not text", hint: "save it as CSV in UTF-8")
      }
      if let text = String(validating: bytes, as: UTF8.self) { return text }
      var line = 1
      for part in bytes.split(omittingEmptySubsequences: false, whereSeparator: { $0 == newline }) {
        if String(validating: part, as: UTF8.self) == nil {
          line += lines(part.prefix { $0 < 0x80 }) - 1
          break
        }
        line += lines(part)
      }
      throw Failure(
        .data, "\(path), row \(line): not UTF-8 text", hint: "save it as CSV in UTF-8 (Excel: \"CSV UTF-8\")")
    }
    guard data.count % 2 == 0 else { throw Failure(.data, "\(path): UTF-16 text cut short") }
    let bytes = Array(data.dropFirst(2))
    let low = data[data.startIndex] == 0xFF ? 0 : 1
    let units = stride(from: 0, to: bytes.count, by: 2).map {
      UInt16(bytes[$0 + low]) | UInt16(bytes[$0 + 1 - low]) << 8
    }
    guard let text = String(validating: units, as: UTF16.self), !units.contains(0) else {
      throw Failure(
        .data, "\(path): not UTF-16 text, though its byte-order mark says so", hint: "save it as CSV in UTF-8")
    }
    return text
  }

  /// The number of the line on which `bytes` ends.
  private static func lines(_ bytes: Data) -> Int {
    var (count, previous) = (1, UInt8(0))
    for byte in bytes {
      if byte == carriage || (byte == newline && previous != carriage) { count += 1 }
      previous = byte
    }
    return count
  }

  /// The separator that the first line with content has most of, outside quotes; a comma where it has none.
  private static func separator(_ text: [UInt8]) -> UInt8 {
    var counts: [UInt8: Int] = [:]
    var (isQuoted, hasContent) = (false, false)
    for byte in text {
      if byte == quote { isQuoted.toggle() }
      if !isQuoted, byte == newline || byte == carriage {
        if hasContent { break }
        counts = [:]
        continue
      }
      if !isQuoted, candidates.contains(byte) {
        counts[byte, default: 0] += 1
      } else if byte != space {
        hasContent = true
      }
    }
    return candidates.max { counts[$0, default: 0] < counts[$1, default: 0] } ?? candidates[0]
  }

  private static let candidates = [",", ";", "\t"].map { UInt8(ascii: $0) }
}

/// The state between two bytes of a CSV text.
private struct Parser {
  let path: String
  let separator: UInt8
  var line: Int

  private enum Place { case start, plain, quoted, closed }
  private var place = Place.start
  private var rows: [Table.Row] = []
  private var (cells, cell): ([String], [UInt8]) = ([], [])
  /// The line on which the row began.
  private var number = 0
  private var cellCount = 0
  private var width: Int?

  init(path: String, separator: UInt8, line: Int) {
    (self.path, self.separator, self.line, number) = (path, separator, line, line)
  }

  private func failure(_ what: String) -> Failure { Failure(.data, "\(path), row \(number): \(what)") }

  mutating func rows(_ text: [UInt8]) throws -> [Table.Row] {
    var previous: UInt8 = 0
    for byte in text {
      defer { previous = byte }
      let isSecond = byte == CSV.newline && previous == CSV.carriage
      let isLineEnd = byte == CSV.newline || byte == CSV.carriage
      if isLineEnd, !isSecond { line += 1 }
      switch place {
      case .quoted:
        if byte == CSV.quote { place = .closed } else { cell.append(byte) }
      case .closed where byte == CSV.quote && previous == CSV.quote:
        cell.append(byte)
        place = .quoted
      case _ where isLineEnd:
        if !isSecond { try endRow() }
        number = line
      case _ where byte == separator: try endCell()
      case .closed:
        guard byte == CSV.space || byte == UInt8(ascii: "\t") else {
          throw failure("text stands behind a closing quote")
        }
      case .start where byte == CSV.quote:
        cell.removeAll(keepingCapacity: true)
        place = .quoted
      case .start where byte == CSV.space: cell.append(byte)
      default:
        cell.append(byte)
        place = .plain
      }
    }
    if place == .quoted { throw failure("a quote is not closed") }
    if !cells.isEmpty || !cell.isEmpty || place != .start { try endRow() }
    return rows
  }

  private mutating func endCell() throws {
    cellCount += 1
    guard cellCount <= Table.largestCellCount else { throw failure("more than \(Table.largestCellCount) cells") }
    cells.append(String(decoding: cell, as: UTF8.self))
    cell.removeAll(keepingCapacity: true)
    place = .start
  }

  private mutating func endRow() throws {
    try endCell()
    let isBlank = cells.allSatisfy { $0.allSatisfy(\.isWhitespace) }
    if let width, let extra = cells.dropFirst(width).first(where: { !$0.allSatisfy(\.isWhitespace) }) {
      throw failure(
        "\(cells.count) cells, but the header has \(width) (the first too many is \(Failure.excerpt(extra)))")
    }
    if width == nil, !isBlank { width = cells.count }
    if !isBlank { rows.append((number, cells)) }
    cells.removeAll()
  }
}
