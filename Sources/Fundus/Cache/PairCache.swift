import Foundation

/// Prepared pairs of a data set: `pairs.bin` (uint8, HWC, left then right, each pair on pages of its own),
/// `index.csv` (a row a picture) and `header.json`. A cache is whole or absent; what it holds of a patient counts only as long as
/// labels, file names and photographs are those that it was made of.
///
/// Pictures are read, not mapped into memory: a file that somebody cuts short is then an error that can be told, and no signal that
/// ends the process. That takes some microseconds more a pair.
public final class PairCache: Sendable {
  /// Its folder.
  public let folder: String
  /// What its pixels are.
  public let preparation: Preparation
  /// What makes it incomplete for the data set, for people; nil where it is not.
  public let missing: String?
  private let file: InputFile
  private let pairBytes: Int
  /// Left and right picture of each patient that the data set has as they are here, by ID.
  private let images: [String: [CachedImage]]

  /// Opens the cache at `location` for `dataset`. What is not whole is of no use and throws, with what is wrong.
  public init(_ location: CacheLocation, _ preparation: Preparation, for dataset: Dataset) throws {
    (folder, self.preparation) = (location.folder, preparation)
    let (header, rows) = try CacheHeader.read(location.folder, preparation)
    file = try InputFile("\(location.folder)/pairs.bin")
    pairBytes = header.pairBytes
    var known = Dictionary(grouping: rows, by: \.id)
    var missing: String?
    for patient in dataset.patients {
      guard let reason = Self.difference(known[patient.id] ?? [], patient, dataset) else { continue }
      known[patient.id] = nil
      missing = missing ?? reason
    }
    images = known
    self.missing = missing
  }

  /// Opens the cache at `location` where it is; what is wrong with one that cannot be used is said to `say`.
  public static func find(
    _ location: CacheLocation, _ preparation: Preparation, for dataset: Dataset, say: (String) -> Void
  ) -> PairCache? {
    var status = stat()
    guard stat(location.folder, &status) == 0 else { return nil }
    do { return try PairCache(location, preparation, for: dataset) } catch {
      say("pair cache of no use: \((error as? Failure)?.message ?? "\(location.folder): \(error)")")
      return nil
    }
  }

  /// Whether the pair of `patient` is here.
  public func holds(_ patient: Patient) -> Bool { images[patient.id] != nil }

  /// What decoders found odd about the photographs of `patient`.
  func warnings(_ patient: Patient) -> [String] { (images[patient.id] ?? []).map(\.warning) }

  /// One hash of the pixels of `patients`, of those who are here.
  public func digest(_ patients: [Patient]) -> String {
    let hashes = patients.flatMap { (images[$0.id] ?? []).map(\.pixels) }
    return hashes.withUnsafeBytes { XXH64.text(XXH64.hash($0)) }
  }

  /// XXH64 of each photograph's file and of its pixels, left first; nil where the pair is not here.
  func hashes(_ patient: Patient) -> [(source: UInt64, pixels: UInt64)]? {
    images[patient.id]?.map { ($0.source, $0.pixels) }
  }

  /// The pixels of `patient`'s pictures, left and right; nil where they are not here. Their checksums are compared each time.
  func pair(_ patient: Patient) throws -> [[UInt8]]? {
    guard let images = images[patient.id] else { return nil }
    let hint = "remove \(folder), and it is made anew"
    return try images.enumerated().map { side, image in
      let start = image.pair * pairBytes + side * preparation.byteCount
      let bytes: [UInt8]
      do {
        bytes = try [UInt8](unsafeUninitializedCapacity: preparation.byteCount) { target, count in
          try file.read(at: start, into: UnsafeMutableRawBufferPointer(target))
          count = target.count
        }
      } catch let failure as Failure { throw Failure(failure.kind, failure.message, hint: hint) }
      guard bytes.withUnsafeBytes({ XXH64.hash($0) }) == image.pixels else {
        throw Failure(
          .data, "\(folder)/pairs.bin: the \(image.side) picture of patient \(patient.id) is damaged", hint: hint)
      }
      return bytes
    }
  }

  /// What keeps `rows` from standing for `patient`, for people; nil where nothing does.
  private static func difference(_ rows: [CachedImage], _ patient: Patient, _ dataset: Dataset) -> String? {
    guard rows.count == 2, rows.map(\.side) == ["left", "right"], rows[0].pair == rows[1].pair else {
      return "patient \(Failure.excerpt(patient.id)) is not in it"
    }
    let wanted = CachedImage.Wanted(patient, dataset)
    for (side, row) in rows.enumerated() {
      // A table read without labels does without the index's.
      guard patient.labels.isEmpty || (row.labels == wanted.labels && row.eyeLabels == wanted.eyeLabels[side]) else {
        return "labels of patient \(Failure.excerpt(patient.id)) have changed"
      }
      guard row.file == wanted.files[side] else {
        return "patient \(Failure.excerpt(patient.id)) has another \(row.side) photograph"
      }
      let path = side == 0 ? patient.left : patient.right
      guard let stamp = SourceStamp(path: path), stamp.size == row.stamp.size else { return "\(path) has changed" }
      // A copied data set has other times and the same contents.
      if stamp == row.stamp { continue }
      guard let data = try? PhotographFile.read(path), data.withUnsafeBytes({ XXH64.hash($0) }) == row.source else {
        return "\(path) has changed"
      }
    }
    return nil
  }
}
