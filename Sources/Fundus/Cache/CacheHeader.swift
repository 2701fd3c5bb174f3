import Foundation

/// `header.json` of a pair cache: what is in the other files, and how it was made.
struct CacheHeader: Codable, Equatable {
  /// Changes with the files' format and with the pixels that a preparation makes.
  static let version = 1

  /// The version it was written by.
  var version = Self.version
  /// Pixels.
  let height, width: Int
  /// Bytes from one pair to the next in `pairs.bin`: left, right, and zeros up to a whole number of pages.
  let pairBytes: Int
  /// Places for pairs in `pairs.bin`.
  let pairs: Int
  /// XXH64 of `index.csv`.
  let indexXxh64: String
  /// Settings of the preparation by name.
  let preparation: [String: String]

  init(_ preparation: Preparation, pairs: Int, index: Data) {
    (height, width, self.pairs) = (preparation.height, preparation.width, pairs)
    pairBytes = Self.pairBytes(preparation)
    indexXxh64 = Self.hash(index)
    self.preparation = preparation.settings
  }

  /// Bytes from one pair to the next: whole pages.
  static func pairBytes(_ preparation: Preparation) -> Int { (2 * preparation.byteCount + 4095) / 4096 * 4096 }

  private static func hash(_ data: Data) -> String { XXH64.text(data.withUnsafeBytes { XXH64.hash($0) }) }

  /// The bytes of the file.
  func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return try encoder.encode(self)
  }

  /// Reads and checks the cache in `folder`; returns the header and the index, or throws what is wrong with it.
  static func read(_ folder: String, _ preparation: Preparation) throws -> (header: CacheHeader, images: [CachedImage])
  {
    func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
      if !holds { throw Failure(.data, "\(folder)/\(what())") }
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let file = try InputFile("\(folder)/header.json")
    try require(file.byteCount < 1 << 20, "header.json is too long")
    guard let header = try? decoder.decode(CacheHeader.self, from: file.read(at: 0, count: file.byteCount)) else {
      throw Failure(.data, "\(folder)/header.json is damaged")
    }
    try require(header.version == version, "header.json is of version \(header.version), not \(version)")
    let indexFile = try InputFile("\(folder)/index.csv")
    let index = try indexFile.read(at: 0, count: indexFile.byteCount)
    try require(hash(index) == header.indexXxh64, "index.csv is damaged")
    let expected = CacheHeader(preparation, pairs: header.pairs, index: index)
    try require(header == expected, "header.json is of another preparation")
    let (bytes, isTooLarge) = header.pairs.multipliedReportingOverflow(by: header.pairBytes)
    let count = try InputFile("\(folder)/pairs.bin").byteCount
    try require(!isTooLarge && count == bytes, "pairs.bin has \(count) bytes, expected \(bytes)")
    let rows = try CSV.read("\(folder)/index.csv")
    let images = rows.dropFirst().compactMap { CachedImage(cells: $0.cells) }
    try require(
      rows.first?.cells == CachedImage.header && images.count == rows.count - 1
        && images.allSatisfy { (0..<header.pairs).contains($0.pair) }, "index.csv is damaged")
    return (header, images)
  }
}
