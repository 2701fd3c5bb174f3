import Foundation
import Fundus

/// Big-endian bytes of a number.
func bytes(_ value: Int, _ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * (count - 1 - $0))) }
}

/// A PNG written byte by byte, its data not compressed.
struct PNG {
  var (width, height) = (0, 0)
  var depth = 8
  /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
  var kind = 2
  var isInterlaced = false
  /// Chunks before the data.
  var chunks: [(name: String, content: [UInt8])] = []
  /// Rows as they are stored, without the byte that names their filter.
  var rows: [[UInt8]] = []

  var data: Data {
    let header = bytes(width, 4) + bytes(height, 4) + [UInt8(depth), UInt8(kind), 0, 0, isInterlaced ? 1 : 0]
    var result = Data([0x89] + Array("PNG\r\n\u{1A}\n".utf8))
    for chunk in [("IHDR", header)] + chunks + [("IDAT", Self.stored(rows.flatMap { [0] + $0 })), ("IEND", [])] {
      result += Self.chunk(chunk.0, chunk.1)
    }
    return result
  }

  static func chunk(_ name: String, _ content: [UInt8]) -> Data {
    let named = Array(name.utf8) + content
    return Data(bytes(content.count, 4) + named + bytes(Int(checksum(named)), 4))
  }

  /// CRC-32.
  private static func checksum(_ content: [UInt8]) -> UInt32 {
    ~content.reduce(~0) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
  }

  /// A zlib stream of stored blocks.
  private static func stored(_ content: [UInt8]) -> [UInt8] {
    var result: [UInt8] = [0x78, 0x01]
    for start in stride(from: 0, to: content.count, by: 65535) {
      let block = content[start..<min(start + 65535, content.count)]
      let count = block.count
      result += [start + count == content.count ? 1 : 0, UInt8(count & 255), UInt8(count >> 8)]
      result += [UInt8(~count & 255), UInt8(~count >> 8 & 255)] + block
    }
    var (a, b) = (1, 0)
    for byte in content {
      a = (a + Int(byte)) % 65521
      b = (b + a) % 65521
    }
    return result + bytes(b << 16 | a, 4)
  }

  /// The picture as RGB of 8 bits.
  static func rgb(_ picture: Photograph) -> PNG {
    let rows = (0..<picture.height).map { y in
      Array(picture.pixels[y * picture.width * 3..<(y + 1) * picture.width * 3])
    }
    return PNG(width: picture.width, height: picture.height, rows: rows)
  }
}

/// A JPEG written byte by byte.
enum JPEG {
  /// A grey picture of 8x8 pixels in `scans` scans, each of which improves on the one before, though there is none before the first.
  static func progressive(scans: Int) -> Data {
    let scan = segment(0xDA, [1, 1, 0, 0, 0, 0x10]) + [0x7F]
    return Data(
      [0xFF, 0xD8] + segment(0xDB, [0] + [UInt8](repeating: 1, count: 64))
        + segment(0xC2, [8, 0, 8, 0, 8, 1, 1, 0x11, 0])
        + (0..<scans).flatMap { _ in scan } + [0xFF, 0xD9])
  }

  static func segment(_ marker: UInt8, _ content: [UInt8]) -> [UInt8] {
    [0xFF, marker] + bytes(content.count + 2, 2) + content
  }

  /// `jpeg` with the bytes at `offset` from its start-of-frame marker replaced.
  static func editing(_ jpeg: Data, frame offset: Int, _ replacement: [UInt8]) -> Data {
    var result = [UInt8](jpeg)
    guard let frame = result.indices.dropLast().first(where: { result[$0] == 0xFF && result[$0 + 1] == 0xC0 }) else {
      return jpeg
    }
    result.replaceSubrange(frame + offset..<frame + offset + replacement.count, with: replacement)
    return Data(result)
  }
}

/// Photographs that no decoder here takes, by name, with what is said of each.
func unusable() throws -> [(name: String, data: Data, reason: String)] {
  let jpeg = try gradient(64, 64).jpeg(quality: 90)
  let png = PNG.rgb(gradient(64, 64)).data
  var spoilt = png
  spoilt[png.count / 2] ^= 1
  return [
    ("cut.jpg", Data(jpeg.prefix(jpeg.count / 2)), "not a readable JPEG: Premature end of JPEG file"),
    ("text.jpg", Data("no picture".utf8), "not a readable JPEG: Not a JPEG file"),
    ("empty.jpg", Data(), "the file is empty"),
    ("bits.jpg", JPEG.editing(jpeg, frame: 4, [12]), "not a readable JPEG: "),
    ("lossless.jpg", JPEG.editing(jpeg, frame: 1, [0xC3]), "not a readable JPEG: "),
    ("huge.jpg", JPEG.editing(jpeg, frame: 5, bytes(65500, 2) + bytes(65500, 2)), "65500x65500 pixels are too many"),
    ("sparse.jpg", JPEG.editing(jpeg, frame: 5, bytes(9000, 2) + bytes(9000, 2)), "are too few for 9000x9000 pixels"),
    ("scans.jpg", JPEG.progressive(scans: 501), "not a readable JPEG: more than 500 scans"),
    ("cut.png", Data(png.prefix(png.count / 2)), "not a readable PNG: the file ends too early"),
    ("noend.png", Data(png.dropLast(12)), "not a readable PNG: the file ends too early"),
    ("spoilt.png", spoilt, "not a readable PNG: IDAT: "),
    ("text.png", Data("no picture".utf8), "not a readable PNG: "),
    ("huge.png", PNG(width: 65000, height: 65000, rows: [[0]]).data, "65000x65000 pixels are too many"),
    ("tiff.jpg", Data("II*\0\u{8}\0\0\0".utf8), "a TIFF picture; JPEG and PNG are read"),
    ("bmp.png", Data("BM1234\0\0\0\0".utf8), "a BMP picture; JPEG and PNG are read"),
    ("gif.jpg", Data("GIF89a".utf8), "a GIF picture; JPEG and PNG are read"),
    ("webp.jpg", Data("RIFF1234WEBPVP8 ".utf8), "a WebP picture; JPEG and PNG are read"),
    ("heic.jpg", Data("\0\0\0\u{18}ftypheic".utf8), "a HEIC picture; JPEG and PNG are read"),
  ]
}
