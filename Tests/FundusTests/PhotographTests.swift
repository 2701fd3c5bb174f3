import Foundation
import Fundus
import Testing

struct PhotographTests {
  private func file(_ folder: Folder, _ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
    return "\(folder.path)/\(name)"
  }

  @Test func jpegsAreDecodedAtReducedSizes() throws {
    let folder = try Folder()
    let picture = gradient(160, 120)
    let path = try file(folder, "a.jpg", picture.jpeg(quality: 95))
    let whole = try Photograph(path: path)
    #expect(whole.width == 160 && whole.height == 120)
    let worst = zip(whole.pixels, picture.pixels).map { abs(Int($0) - Int($1)) }.max() ?? 0
    #expect(worst <= 12)
    let quarter = try Photograph(path: path, atLeast: 30)
    #expect(quarter.width == 40 && quarter.height == 30)
  }

  @Test func filesThatAreNoPhotographsAreNamedWithTheReason() throws {
    let folder = try Folder()
    for (name, data, reason) in try unusable() {
      let path = try file(folder, name, data)
      let failure = #expect(throws: Failure.self, "\(name)") { try Photograph(path: path) }
      #expect(failure?.kind == .data && failure?.message.hasPrefix("\(path): ") == true, "\(name)")
      #expect(failure?.message.contains(reason) == true, "\(name): \(failure?.message ?? "")")
    }
  }

  /// Only regular files are read, and none is waited for.
  @Test(.timeLimit(.minutes(1)))
  func specialFilesAreNoPhotographs() throws {
    let folder = try Folder()
    let (pipe, link, dangling) = (folder.path + "/pipe.jpg", folder.path + "/link.jpg", folder.path + "/dangling.jpg")
    mkfifo(pipe, 0o600)
    let good = try file(folder, "good.jpg", gradient(16, 16).jpeg(quality: 90))
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: good)
    try FileManager.default.createSymbolicLink(atPath: dangling, withDestinationPath: folder.path + "/nowhere")
    for (path, kind, reason) in [
      (pipe, Failure.Kind.data, "a pipe, not a photograph"), (folder.path, .data, "a folder, not a photograph"),
      ("/dev/zero", .data, "a device, not a photograph"), (dangling, .missing, "cannot be read"),
    ] {
      let failure = #expect(throws: Failure.self) { try Photograph(path: path) }
      #expect(failure?.kind == kind && failure?.message.contains(reason) == true, "\(path)")
    }
    #expect(try Photograph(path: link).width == 16)
  }

  /// Any name will do; the first bytes say what a file is.
  @Test func contentDecidesTheFormat() throws {
    let folder = try Folder()
    let picture = gradient(20, 10)
    #expect(try Photograph(path: file(folder, "a.jpg", PNG.rgb(picture).data)) == picture)
    #expect(try Photograph(path: file(folder, "b.png", picture.jpeg(quality: 90))).width == 20)
  }

  @Test func everyKindOfPNGBecomesRGB() throws {
    let folder = try Folder()
    // Two pixels side by side, stored in each way, and what they are in RGB over black.
    let palette = ("PLTE", [10, 20, 30, 200, 100, 50] as [UInt8])
    let cases: [(name: String, png: PNG, pixels: [UInt8])] = [
      ("grey", PNG(width: 2, height: 1, kind: 0, rows: [[7, 250]]), [7, 7, 7, 250, 250, 250]),
      ("1 bit", PNG(width: 2, height: 1, depth: 1, kind: 0, rows: [[0x40]]), [0, 0, 0, 255, 255, 255]),
      ("4 bits", PNG(width: 2, height: 1, depth: 4, kind: 0, rows: [[0x1F]]), [17, 17, 17, 255, 255, 255]),
      (
        "16 bits", PNG(width: 2, height: 1, depth: 16, kind: 2, rows: [[1, 0, 2, 0, 3, 0, 255, 255, 128, 0, 0, 255]]),
        [1, 2, 3, 255, 128, 1]
      ),
      ("palette", PNG(width: 2, height: 1, kind: 3, chunks: [palette], rows: [[1, 0]]), [200, 100, 50, 10, 20, 30]),
      (
        "palette of 2 bits", PNG(width: 2, height: 1, depth: 2, kind: 3, chunks: [palette], rows: [[0x10]]),
        [10, 20, 30, 200, 100, 50]
      ),
      (
        "palette with transparency",
        PNG(width: 2, height: 1, kind: 3, chunks: [palette, ("tRNS", [0, 255])], rows: [[1, 0]]),
        [200, 100, 50, 0, 0, 0]
      ),
      ("grey and alpha", PNG(width: 2, height: 1, kind: 4, rows: [[200, 255, 200, 0]]), [200, 200, 200, 0, 0, 0]),
      (
        "RGB and alpha", PNG(width: 2, height: 1, kind: 6, rows: [[100, 50, 20, 255, 100, 50, 20, 51]]),
        [100, 50, 20, 20, 10, 4]
      ),
      (
        "16 bits and alpha", PNG(width: 2, height: 1, depth: 16, kind: 4, rows: [[200, 0, 255, 255, 200, 0, 0, 0]]),
        [199, 199, 199, 0, 0, 0]
      ),
      (
        "gamma and text do not matter",
        PNG(
          width: 2, height: 1, kind: 0, chunks: [("gAMA", [0, 0, 0x27, 0x10]), ("tEXt", [65, 0, 66])], rows: [[7, 90]]),
        [7, 7, 7, 90, 90, 90]
      ),
    ]
    for (name, png, pixels) in cases {
      #expect(try Photograph(path: file(folder, "a.png", png.data)).pixels == pixels, "\(name)")
    }
  }

  @Test func interlacedPNGsAreRead() throws {
    let folder = try Folder()
    let picture = gradient(19, 13)
    var png = PNG(width: 19, height: 13, isInterlaced: true)
    // Adam7: first row and column of each pass, and its steps.
    for (y0, x0, dy, dx) in [
      (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1),
    ] {
      for y in stride(from: y0, to: 13, by: dy) {
        png.rows.append(
          stride(from: x0, to: 19, by: dx).flatMap { x in picture.pixels[(y * 19 + x) * 3..<(y * 19 + x) * 3 + 3] })
      }
    }
    #expect(try Photograph(path: file(folder, "a.png", png.data)) == picture)
  }

  /// The eight orientations of EXIF, each undone: the bright corner comes back to the top left.
  @Test(arguments: 1...8)
  func orientationIsUndone(_ orientation: Int) throws {
    // A 16 x 8 picture, upright, as a camera of this orientation would have stored it.
    let (width, height) = (16, 8)
    func upright(_ x: Int, _ y: Int) -> UInt8 { x < 8 && y < 4 ? 230 : x >= 8 && y < 4 ? 120 : 20 }
    let swapsAxes = orientation >= 5
    let (w, h) = swapsAxes ? (height, width) : (width, height)
    var pixels: [UInt8] = []
    for y in 0..<h {
      for x in 0..<w {
        let (ux, uy): (Int, Int) =
          switch orientation {
          case 2: (width - 1 - x, y)
          case 3: (width - 1 - x, height - 1 - y)
          case 4: (x, height - 1 - y)
          case 5: (y, x)
          case 6: (width - 1 - y, x)
          case 7: (width - 1 - y, height - 1 - x)
          case 8: (y, height - 1 - x)
          default: (x, y)
          }
        pixels += [UInt8](repeating: upright(ux, uy), count: 3)
      }
    }
    let jpeg = try Photograph(width: w, height: h, pixels: pixels).jpeg(quality: 100)
    let exif: [UInt8] =
      Array("Exif\0\0MM\0*".utf8) + [
        0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, UInt8(orientation), 0, 0, 0, 0, 0, 0,
      ]
    let data = jpeg.prefix(2) + Data([0xFF, 0xE1, 0, UInt8(exif.count + 2)] + exif) + jpeg.dropFirst(2)
    let folder = try Folder()
    let found = try Photograph(path: try file(folder, "o.jpg", Data(data)))
    #expect(found.width == width && found.height == height)
    for (x, y) in [(2, 1), (12, 1), (2, 6), (12, 6)] {
      let difference = Int(found.pixels[(y * width + x) * 3]) - Int(upright(x, y))
      #expect(abs(difference) < 25, "orientation \(orientation) at \(x),\(y)")
    }
  }
}

struct PreparationTests {
  /// A bright disc on black, off centre, with a speck of noise: the disc fills the result.
  @Test func theFieldOfViewIsCutOut() {
    var pixels = [UInt8](repeating: 3, count: 200 * 150 * 3)
    for y in 0..<150 {
      for x in 0..<200 where (x - 120) * (x - 120) + (y - 70) * (y - 70) < 50 * 50 {
        for k in 0..<3 { pixels[(y * 200 + x) * 3 + k] = 180 }
      }
    }
    pixels[(5 * 200 + 3) * 3] = 250
    let result = Preparation(height: 64, width: 64).prepare(Photograph(width: 200, height: 150, pixels: pixels))
    func at(_ x: Int, _ y: Int) -> UInt8 { result[(y * 64 + x) * 3] }
    #expect(at(32, 32) == 180 && at(2, 32) > 90 && at(61, 32) > 90 && at(32, 2) > 90 && at(32, 61) > 90)
    #expect(at(1, 1) < 20 && at(62, 62) < 20)
  }

  @Test func shrinkingKeepsTheMeanAndPaddingIsBlack() {
    let picture = gradient(120, 60)
    let result = Preparation(height: 32, width: 32).prepare(picture)
    // Twice as wide as high: the upper and lower quarter are padding.
    #expect(result[0..<32 * 3 * 7].allSatisfy { $0 == 0 })
    func mean(_ values: ArraySlice<UInt8>) -> Double {
      let reds = stride(from: values.startIndex, to: values.endIndex, by: 3).map { Double(values[$0]) }
      return reds.reduce(0, +) / Double(reds.count)
    }
    let difference = mean(result[8 * 32 * 3..<24 * 32 * 3]) - mean(picture.pixels[...])
    #expect(abs(difference) < 1)
  }

  /// Every pixel of a smaller picture is the mean of the area that it covers, parts of pixels counted by their share.
  @Test(arguments: [(100, 64), (129, 64), (65, 64), (200, 70)])
  func shrinkingAveragesAreas(_ from: Int, _ to: Int) {
    var pixels = [UInt8](repeating: 0, count: from * from * 3)
    for i in pixels.indices { pixels[i] = UInt8(60 + i * 37 % 180) }
    let result = Preparation(height: to, width: to).prepare(Photograph(width: from, height: from, pixels: pixels))
    /// Source pixels under target pixel `i`, with the length that each covers.
    func cover(_ i: Int) -> [(pixel: Int, share: Double)] {
      let (start, end) = (Double(i * from) / Double(to), Double((i + 1) * from) / Double(to))
      return (0..<from).map { ($0, min(end, Double($0 + 1)) - max(start, Double($0))) }.filter { $0.1 > 1e-9 }
    }
    var worst = 0.0
    for y in 0..<to {
      for x in 0..<to {
        var (sum, area) = (0.0, 0.0)
        for row in cover(y) {
          for column in cover(x) {
            sum += row.share * column.share * Double(pixels[(row.pixel * from + column.pixel) * 3 + 1])
            area += row.share * column.share
          }
        }
        worst = max(worst, abs(sum / area - Double(result[(y * to + x) * 3 + 1])))
      }
    }
    #expect(worst <= 1, "off by \(worst)")
  }

  /// What is not square is padded alike on both sides.
  @Test(arguments: [(120, 60), (60, 120)])
  func paddingIsOnBothSides(_ width: Int, _ height: Int) {
    let picture = Photograph(width: width, height: height, pixels: Array(repeating: 200, count: width * height * 3))
    let result = Preparation(height: 64, width: 64).prepare(picture)
    for i in 0..<64 {
      let inside = (16..<48).contains(i)
      // Along the padded direction, in the middle of the other.
      let place = width > height ? i * 64 + 32 : 32 * 64 + i
      #expect(result[place * 3] == (inside ? 200 : 0), "\(i)")
    }
  }

  /// Enlarging draws a line between the centres of two pixels.
  @Test func enlargingInterpolatesBetweenCentres() {
    var pixels = [UInt8](repeating: 100, count: 32 * 32 * 3)
    for y in 0..<32 { for x in 16..<32 { for k in 0..<3 { pixels[(y * 32 + x) * 3 + k] = 200 } } }
    let result = Preparation(height: 64, width: 64).prepare(Photograph(width: 32, height: 32, pixels: pixels))
    let line: [UInt8] = (29...34).map { x in result[(20 * 64 + x) * 3] }
    #expect(line == [100, 100, 125, 175, 200, 200])
  }

  @Test func enlargingAndOddShapesWork() {
    for (height, width) in [(64, 96), (200, 64), (65, 67)] {
      let result = Preparation(height: height, width: width).prepare(gradient(50, 40))
      #expect(result.count == height * width * 3 && result.contains { $0 > 100 })
    }
  }

  @Test(arguments: [false, true]) func valuesAreNormalised(mirrored: Bool) {
    let bytes = (0..<2 * 3 * 3).map { UInt8($0 * 15) }
    var target = [Float](repeating: 0, count: bytes.count)
    bytes.withUnsafeBufferPointer { bytes in
      target.withUnsafeMutableBufferPointer { Normalisation.write(bytes, width: 3, mirrored: mirrored, into: $0) }
    }
    for (y, x, k) in [(0, 0, 0), (0, 2, 1), (1, 0, 2), (1, 1, 0)] {
      let byte = Float(bytes[(y * 3 + (mirrored ? 2 - x : x)) * 3 + k])
      let expected = (byte / 255 - [0.485, 0.456, 0.406][k]) / [0.229, 0.224, 0.225][k]
      #expect(abs(target[(y * 3 + x) * 3 + k] - expected) < 1e-5)
    }
  }
}
