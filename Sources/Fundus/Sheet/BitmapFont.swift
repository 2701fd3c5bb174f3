/// Letters of 5x7 pixels for captions in pictures: capitals, digits and some signs.
enum BitmapFont {
  /// Seven rows from the top, two hexadecimal digits each; of their bits the fifth is the leftmost.
  private static let glyphs: [Character: String] = [
    " ": "00000000000000", "0": "0e11131519110e", "1": "040c040404040e", "2": "0e11010204081f", "3": "1f02040201110e",
    "4": "02060a121f0202", "5": "1f101e0101110e", "6": "0608101e11110e", "7": "1f010204080808", "8": "0e11110e11110e",
    "9": "0e11110f01020c", "A": "0e11111f111111", "B": "1e11111e11111e", "C": "0e11101010110e", "D": "1c12111111121c",
    "E": "1f10101e10101f", "F": "1f10101e101010", "G": "0e11101711110f", "H": "1111111f111111", "I": "0e04040404040e",
    "J": "0702020202120c", "K": "11121418141211", "L": "1010101010101f", "M": "111b1515111111", "N": "11111915131111",
    "O": "0e11111111110e", "P": "1e11111e101010", "Q": "0e11111115120d", "R": "1e11111e141211", "S": "0f10100e01011e",
    "T": "1f040404040404", "U": "1111111111110e", "V": "11111111110a04", "W": "1111111515150a", "X": "11110a040a1111",
    "Y": "1111110a040404", "Z": "1f01020408101f", "-": "0000001f000000", ".": "00000000000c0c", ":": "000c0c000c0c00",
    ",": "000000000c0408", "/": "00010204081000", "+": "0004041f040400", "(": "02040808080402", ")": "08040202020408",
    "_": "0000000000001f", "?": "0e110102040004",
  ]

  /// Pixels of a letter with the space after it, and of a line with the space below, at scale 1.
  static let (advance, lineHeight) = (6, 9)

  /// Draws `text` in white with its top left corner at `x` and `y`, each pixel `scale` pixels wide; what has no room is left out.
  static func draw(_ text: String, on picture: inout Photograph, x: Int, y: Int, scale: Int) {
    for (place, letter) in text.uppercased().enumerated() {
      guard let rows = glyphs[letter] ?? glyphs["?"] else { continue }
      let digits = rows.compactMap(\.hexDigitValue)
      for row in 0..<7 * scale {
        let bits = digits[row / scale * 2] * 16 + digits[row / scale * 2 + 1]
        for column in 0..<5 * scale where bits >> (4 - column / scale) & 1 == 1 {
          let (px, py) = (x + place * advance * scale + column, y + row)
          guard px < picture.width, py < picture.height else { continue }
          for k in 0..<3 { picture.pixels[(py * picture.width + px) * 3 + k] = 255 }
        }
      }
    }
  }
}
