/// The JSON header of a safetensors file: an object that gives each tensor's `dtype`, `shape` and `data_offsets`, and `__metadata__`,
/// which maps strings to strings.
///
/// Read by a scanner of just this grammar: a general reader of JSON would silently keep one of two equal names, and accept
/// depths and kinds of numbers that this header cannot have.
struct SafetensorsHeader {
  /// What the header says of a tensor.
  struct Field {
    let name, element: String
    let extents: [Int]
    let offsets: Range<Int>
  }

  /// Why a header is refused.
  struct Malformed: Error {
    let reason: String
  }

  private(set) var fields: [Field] = []
  private(set) var metadata: [String: String] = [:]
  private let bytes: [UInt8]
  private var place = 0

  init(_ bytes: [UInt8]) throws(Malformed) {
    self.bytes = bytes
    var names: Set<String> = []
    try object { header, name throws(Malformed) in
      guard names.insert(name).inserted else { throw Malformed(reason: "\(name) is there twice") }
      if name == "__metadata__" {
        try header.object { header, key throws(Malformed) in
          guard header.metadata.updateValue(try header.string(), forKey: key) == nil else {
            throw Malformed(reason: "metadata \(key) is there twice")
          }
        }
      } else {
        header.fields.append(try header.field(name))
      }
    }
    skipSpace()
    guard place == bytes.count else { throw malformed("something follows the header's object") }
  }

  private mutating func field(_ name: String) throws(Malformed) -> Field {
    var element: String?
    var extents, offsets: [Int]?
    try object { header, key throws(Malformed) in
      switch key {
      case "dtype" where element == nil: element = try header.string()
      case "shape" where extents == nil: extents = try header.integers()
      case "data_offsets" where offsets == nil: offsets = try header.integers()
      default: throw Malformed(reason: "tensor \(name) has an unknown or a second \(key)")
      }
    }
    guard let element, let extents, let offsets, offsets.count == 2 else {
      throw Malformed(reason: "tensor \(name) lacks dtype, shape or data_offsets")
    }
    guard offsets[0] <= offsets[1] else {
      throw Malformed(reason: "tensor \(name) ends at \(offsets[1]), before its start at \(offsets[0])")
    }
    return Field(name: name, element: element, extents: extents, offsets: offsets[0]..<offsets[1])
  }

  private func malformed(_ reason: String) -> Malformed { Malformed(reason: "\(reason) (byte \(place) of the header)") }

  private mutating func skipSpace() {
    while place < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
  }

  /// Steps over `character` if it is next.
  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Malformed) {
    guard take(character) else { throw malformed("\(character) was expected") }
  }

  /// An object; `member` reads each value.
  private mutating func object(_ member: (inout Self, String) throws(Malformed) -> Void) throws(Malformed) {
    try expect("{")
    if take("}") { return }
    repeat {
      let name = try string()
      try expect(":")
      try member(&self, name)
    } while take(",")
    try expect("}")
  }

  /// An array of whole numbers from 0 up.
  private mutating func integers() throws(Malformed) -> [Int] {
    try expect("[")
    if take("]") { return [] }
    var result: [Int] = []
    repeat { result.append(try integer()) } while take(",")
    try expect("]")
    return result
  }

  private mutating func integer() throws(Malformed) -> Int {
    skipSpace()
    let digits = bytes[place...].prefix { (0x30...0x39).contains($0) }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else {
      throw malformed("a whole number from 0 up was expected")
    }
    place += digits.count
    return value
  }

  private mutating func string() throws(Malformed) -> String {
    try expect("\"")
    var text: [UInt8] = []
    while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
      let byte = bytes[place]
      guard byte >= 0x20 else { throw malformed("a control character in a string") }
      place += 1
      if byte == UInt8(ascii: "\\") {
        text += Array(String(Character(try escape())).utf8)
      } else {
        text.append(byte)
      }
    }
    try expect("\"")
    guard let result = String(validating: text, as: UTF8.self) else { throw malformed("a string that is not UTF-8") }
    return result
  }

  /// What follows a backslash.
  private mutating func escape() throws(Malformed) -> Unicode.Scalar {
    guard place < bytes.count else { throw malformed("a string without end") }
    let letter = Unicode.Scalar(bytes[place])
    place += 1
    switch letter {
    case "\"", "\\", "/": return letter
    case "b": return "\u{8}"
    case "f": return "\u{C}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "u":
      var code = try unit()
      if (0xD800..<0xDC00).contains(code), bytes[place...].starts(with: Array("\\u".utf8)) {
        place += 2
        let low = try unit()
        guard (0xDC00..<0xE000).contains(low) else { throw malformed("half of a surrogate pair") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw malformed("half of a surrogate pair") }
      return scalar
    default: throw malformed("an unknown escape")
    }
  }

  /// Four hexadecimal digits.
  private mutating func unit() throws(Malformed) -> UInt32 {
    let digits = bytes[place...].prefix(4)
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw malformed("four hexadecimal digits were expected") }
    place += 4
    return code
  }
}
