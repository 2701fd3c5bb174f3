import CJPEG
import CPNG
import Foundation
import Tensors

/// A photograph as its file has it, with the header read. What a file is, its first bytes tell, not its name.
struct EncodedPhotograph {
  /// What is read.
  private enum Format: String {
    case jpeg = "JPEG"
    case png = "PNG"
  }

  private let path: String
  private let bytes: Data
  private let format: Format
  /// Pixels, before the orientation is undone.
  private let width, height: Int
  private let orientation: Int

  /// Larger pictures are refused: the largest cameras make 100 million pixels.
  private static let mostPixels = 1 << 27
  /// A JPEG of more pixels a byte holds no picture, whatever its header says.
  private static let mostPixelsPerByte = 1024

  /// Reads the file at `path` and the picture's header.
  init(path: String) throws {
    let bytes = try PhotographFile.read(path)
    let format = try Self.format(of: bytes, path)
    switch format {
    case .jpeg:
      var header = dms_jpeg_header()
      try Self.call(format, bytes, path) { dms_jpeg_read_header($0, $1, &header, $2) }
      (width, height, orientation) = (Int(header.width), Int(header.height), Int(header.orientation))
    case .png:
      var header = dms_png_header()
      try Self.call(format, bytes, path) { dms_png_read_header($0, $1, &header, $2) }
      (width, height, orientation) = (Int(header.width), Int(header.height), 1)
    }
    (self.path, self.bytes, self.format) = (path, bytes, format)
    guard width * height <= Self.mostPixels else {
      throw Failure(.data, "\(path): \(width)x\(height) pixels are too many")
    }
    guard format != .jpeg || width * height <= bytes.count * Self.mostPixelsPerByte else {
      throw Failure(.data, "\(path): \(bytes.count) bytes are too few for \(width)x\(height) pixels")
    }
  }

  /// XXH64 of the file.
  var checksum: UInt64 { bytes.withUnsafeBytes { XXH64.hash($0) } }

  /// Finds whether `decode` would succeed, in less time where it can. Returns what is odd about the picture, if anything was seen.
  func check() throws -> String? {
    var warnings: Int32 = 0
    let text = try Self.call(format, bytes, path) { bytes, count, text in
      switch format {
      case .jpeg: dms_jpeg_check(bytes, count, text, &warnings)
      case .png: dms_png_decode(bytes, count, nil, text, &warnings)
      }
    }
    return warnings > 0 ? text : nil
  }

  /// The picture, upright, at the smallest of its sizes whose shorter side is still `atLeast` pixels (a JPEG has 1/1, 1/2, 1/4
  /// and 1/8, a PNG only 1/1), and what is odd about it.
  func decode(atLeast: Int) throws -> (photograph: Photograph, warning: String?) {
    let shorter = min(self.width, self.height)
    let reduction = format == .jpeg ? [8, 4, 2].first { shorter / $0 >= atLeast } ?? 1 : 1
    let width = (self.width + reduction - 1) / reduction
    let height = (self.height + reduction - 1) / reduction
    var pixels = try Photograph.blank(width, height, path)
    var warnings: Int32 = 0
    let text = try Self.call(format, bytes, path) { bytes, count, text in
      switch format {
      case .jpeg: dms_jpeg_decode(bytes, count, Int32(reduction), &pixels, text, &warnings)
      case .png: dms_png_decode(bytes, count, &pixels, text, &warnings)
      }
    }
    let photograph = Photograph(width: width, height: height, pixels: pixels)
    return (try photograph.upright(orientation, path), warnings > 0 ? text : nil)
  }

  private typealias Bytes = UnsafePointer<UInt8>
  private typealias Text = UnsafeMutablePointer<CChar>

  /// Calls a decoder and returns the text it leaves; nonzero is a failure.
  @discardableResult
  private static func call(_ format: Format, _ bytes: Data, _ path: String, _ body: (Bytes?, UInt, Text) -> Int32)
    throws
    -> String
  {
    var message = [CChar](repeating: 0, count: Int(max(DMS_JPEG_MESSAGE, DMS_PNG_MESSAGE)))
    let code = bytes.withUnsafeBytes { raw in
      message.withUnsafeMutableBufferPointer { text in
        text.baseAddress.map { body(raw.bindMemory(to: UInt8.self).baseAddress, UInt(raw.count), $0) } ?? 1
      }
    }
    let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard code == 0 else { throw Failure(.data, "\(path): not a readable \(format.rawValue): \(text)") }
    return text
  }

  /// What is read, or a failure that names what is not. Bytes of no known format are taken for what the file's name says, so
  /// that the decoder tells what is wrong.
  private static func format(of bytes: Data, _ path: String) throws -> Format {
    let head = [UInt8](bytes.prefix(132))
    func has(_ text: String, at place: Int = 0) -> Bool {
      head.dropFirst(place).starts(with: text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    }
    if has("\u{FF}\u{D8}") { return .jpeg }
    if has("\u{89}PNG\r\n\u{1A}\n") { return .png }
    let others: [(name: String, isFound: Bool)] = [
      ("TIFF", has("II*\0") || has("MM\0*") || has("II+\0") || has("MM\0+")),
      ("BMP", has("BM") && has("\0\0\0\0", at: 6)),
      ("GIF", has("GIF8")),
      ("WebP", has("RIFF") && has("WEBP", at: 8)),
      ("AVIF", has("ftypavi", at: 4)),
      ("HEIC", has("ftyphe", at: 4) || has("ftypmif1", at: 4) || has("ftypmsf1", at: 4)),
      ("JPEG 2000", has("\0\0\0\u{0C}jP  ") || has("\u{FF}\u{4F}\u{FF}\u{51}")),
      ("JPEG XL", has("\0\0\0\u{0C}JXL ") || has("\u{FF}\u{0A}")),
      ("DICOM", has("DICM", at: 128)),
    ]
    if let other = others.first(where: \.isFound) {
      throw Failure(.data, "\(path): a \(other.name) picture; JPEG and PNG are read")
    }
    return path.lowercased().hasSuffix(".png") ? .png : .jpeg
  }
}
