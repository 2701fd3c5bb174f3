extension String {
  /// The text with everything that would move a terminal's cursor, end the line or turn the writing direction as an escape: `\n`,
  /// `\u{1B}`; `keepingLines`: line ends stay.
  public func escaped(keepingLines: Bool = false) -> String {
    guard unicodeScalars.contains(where: \.isControl) else { return self }
    var result = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      if scalar.isControl, !(keepingLines && scalar == "\n") {
        for other in scalar.controlEscape.unicodeScalars { result.append(other) }
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  /// The text on one line of at most `limit` characters; a longer one loses its middle.
  public func oneLine(limit: Int) -> String {
    // Escapes only add characters: of a text that is far too long none but the ends can stay.
    shortened(to: 2 * limit).escaped().shortened(to: limit)
  }

  private func shortened(to limit: Int) -> String {
    guard unicodeScalars.count > limit else { return self }
    var result = String.UnicodeScalarView(unicodeScalars.prefix(limit / 2))
    result.append("…")
    result.append(contentsOf: unicodeScalars.suffix(limit - limit / 2 - 1))
    return String(result)
  }

  /// How many letters must be added, taken away or changed to make this text into `other` (Levenshtein 1966); of long texts the
  /// first letters count.
  public func editDistance(to other: String) -> Int {
    let (a, b) = (Array(unicodeScalars.prefix(100)), Array(other.unicodeScalars.prefix(100)))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] += 1
      for j in b.indices {
        (diagonal, row[j + 1]) = (
          row[j + 1], Swift.min(row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        )
      }
    }
    return row[b.count]
  }

  /// The text up to its first line end.
  public var firstLine: String { split(whereSeparator: \.isNewline).first.map(String.init) ?? "" }
}

extension Unicode.Scalar {
  fileprivate var isControl: Bool {
    switch value {
    case 0..<0x20, 0x7F..<0xA0: true  // C0, DEL, C1
    case 0x061C, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069: true  // writing direction
    case 0x2028...0x2029: true  // line and paragraph separators
    default: false
    }
  }

  fileprivate var controlEscape: String {
    switch self {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    default: "\\u{\(String(value, radix: 16, uppercase: true))}"
    }
  }
}
