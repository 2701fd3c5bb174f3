import CJPEG
import Foundation
import Tensors

/// A colour picture: rows of RGB bytes.
public struct Photograph: Sendable, Equatable {
  /// Pixels.
  public let width, height: Int
  /// RGB, row by row.
  public var pixels: [UInt8]

  /// A picture from its bytes.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(pixels.count == width * height * 3)
    (self.width, self.height, self.pixels) = (width, height, pixels)
  }

  /// Larger pictures are refused: no fundus camera makes them.
  private static let mostPixels = 1 << 28

  /// Decodes the JPEG at `path`, upright, at the smallest of 1/1, 1/2, 1/4 and 1/8 of its size whose shorter side is still
  /// `atLeast` pixels.
  public init(path: String, atLeast: Int = .max) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(.missing, "\(path): cannot be read")
    }
    try self.init(data: data, path: path, atLeast: atLeast)
  }

  init(data: Data, path: String, atLeast: Int) throws {
    let decoded: (dms_jpeg_header, Int, [UInt8]) = try data.withUnsafeBytes { raw in
      let bytes = raw.bindMemory(to: UInt8.self)
      var message = [CChar](repeating: 0, count: Int(DMS_JPEG_MESSAGE))
      func check(_ code: Int32) throws {
        guard code == 0 else {
          let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
          throw Failure(.data, "\(path): not a readable JPEG: \(text)")
        }
      }
      guard bytes.count > 0 else { throw Failure(.data, "\(path): not a readable JPEG: the file is empty") }
      var header = dms_jpeg_header()
      try check(dms_jpeg_read_header(bytes.baseAddress, UInt(bytes.count), &header, &message))
      guard Int(header.width) * Int(header.height) <= Self.mostPixels else {
        throw Failure(.data, "\(path): \(header.width)x\(header.height) pixels are too many")
      }
      let shorter = Int(min(header.width, header.height))
      let reduction = [8, 4, 2].first { shorter / $0 >= atLeast } ?? 1
      let extent = { (length: Int32) in (Int(length) + reduction - 1) / reduction }
      var pixels = [UInt8](repeating: 0, count: extent(header.width) * extent(header.height) * 3)
      try check(dms_jpeg_decode(bytes.baseAddress, UInt(bytes.count), Int32(reduction), &pixels, &message))
      return (header, reduction, pixels)
    }
    let (header, reduction, pixels) = decoded
    self = Photograph(
      width: (Int(header.width) + reduction - 1) / reduction, height: (Int(header.height) + reduction - 1) / reduction,
      pixels: pixels
    ).upright(Int(header.orientation))
  }

  /// The picture with EXIF orientation `orientation` undone.
  func upright(_ orientation: Int) -> Photograph {
    guard orientation > 1, orientation <= 8 else { return self }
    let turned = orientation >= 5
    let (w, h) = turned ? (height, width) : (width, height)
    var result = [UInt8](repeating: 0, count: pixels.count)
    for y in 0..<h {
      for x in 0..<w {
        let (sx, sy): (Int, Int) =
          switch orientation {
          case 2: (width - 1 - x, y)
          case 3: (width - 1 - x, height - 1 - y)
          case 4: (x, height - 1 - y)
          case 5: (y, x)
          case 6: (y, height - 1 - x)
          case 7: (width - 1 - y, height - 1 - x)
          default: (width - 1 - y, x)
          }
        for k in 0..<3 { result[(y * w + x) * 3 + k] = pixels[(sy * width + sx) * 3 + k] }
      }
    }
    return Photograph(width: w, height: h, pixels: result)
  }

  /// The picture as JPEG bytes.
  public func jpeg(quality: Int) throws -> Data {
    var bytes: UnsafeMutablePointer<UInt8>?
    var count: UInt = 0
    var message = [CChar](repeating: 0, count: Int(DMS_JPEG_MESSAGE))
    let code = dms_jpeg_encode(pixels, Int32(width), Int32(height), Int32(quality), &bytes, &count, &message)
    defer { dms_jpeg_free(bytes) }
    guard code == 0, let bytes else { throw Failure(.run, "a picture of \(width)x\(height) pixels cannot be encoded") }
    return Data(bytes: bytes, count: Int(count))
  }
}
