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

  /// Decodes the JPEG or PNG at `path`, upright, at the smallest of the sizes its format offers (a JPEG: 1/1, 1/2, 1/4 and 1/8)
  /// whose shorter side is still `atLeast` pixels.
  public init(path: String, atLeast: Int = .max) throws {
    self = try EncodedPhotograph(path: path).decode(atLeast: atLeast).photograph
  }

  /// Pixels of the picture at `path`, black. An array that finds no memory ends the process, so the system is asked first.
  static func blank(_ width: Int, _ height: Int, _ path: String) throws -> [UInt8] {
    let count = width * height * 3
    let room = count + 1 << 16
    let memory = mmap(nil, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard memory != MAP_FAILED else { throw Failure(.run, "\(path): no memory for \(width)x\(height) pixels") }
    munmap(memory, room)
    return [UInt8](repeating: 0, count: count)
  }

  /// The picture at `path` with EXIF orientation `orientation` undone.
  func upright(_ orientation: Int, _ path: String) throws -> Photograph {
    guard orientation > 1, orientation <= 8 else { return self }
    let swapsAxes = orientation >= 5
    let (w, h) = swapsAxes ? (height, width) : (width, height)
    var result = try Self.blank(w, h, path)
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
