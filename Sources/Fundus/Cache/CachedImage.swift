import Foundation

/// A row of a cache's index: one prepared picture, what it shows and what it was made of.
struct CachedImage: Equatable {
  /// The patient.
  let id: String
  /// "left" or "right".
  let side: String
  /// The pair's place in `pairs.bin`.
  let pair: Int
  /// The names of the patient's labels and of this eye's.
  let labels, eyeLabels: String
  /// The photograph, relative to the data set's folder where it lies below.
  let file: String
  /// The photograph's state when it was read.
  let stamp: SourceStamp
  /// XXH64 of the photograph's file and of the prepared pixels.
  let source, pixels: UInt64
  /// What its decoder found odd.
  let warning: String

  static let header = [
    "ID", "side", "pair", "labels", "eye_labels", "file", "bytes", "modified", "changed", "source_xxh64",
    "pixels_xxh64",
    "warning",
  ]

  /// The row's cells.
  var cells: [String] {
    [
      id, side, "\(pair)", labels, eyeLabels, file, "\(stamp.size)", "\(stamp.modified)", "\(stamp.changed)",
      XXH64.text(source), XXH64.text(pixels), warning,
    ]
  }

  init(
    id: String, side: String, pair: Int, labels: String, eyeLabels: String, file: String, stamp: SourceStamp,
    source: UInt64, pixels: UInt64, warning: String
  ) {
    (self.id, self.side, self.pair, self.labels, self.eyeLabels) = (id, side, pair, labels, eyeLabels)
    (self.file, self.stamp, self.source, self.pixels, self.warning) = (file, stamp, source, pixels, warning)
  }

  /// From a row's cells, nil where they are none.
  init?(cells: [String]) {
    guard cells.count == Self.header.count, let pair = Int(cells[2]),
      let stamp = SourceStamp(cells[6], cells[7], cells[8]), let source = UInt64(cells[9], radix: 16),
      let pixels = UInt64(cells[10], radix: 16)
    else { return nil }
    self.init(
      id: cells[0], side: cells[1], pair: pair, labels: cells[3], eyeLabels: cells[4], file: cells[5], stamp: stamp,
      source: source, pixels: pixels, warning: cells[11])
  }

  /// A patient's two rows, but for pair, stamp and checksums; what a cache must still say to be of use.
  struct Wanted {
    let labels: String
    let eyeLabels, files: [String]

    init(_ patient: Patient, _ dataset: Dataset) {
      func names(_ values: [UInt8]) -> String {
        zip(dataset.labels, values).compactMap { $1 == 1 ? $0 : nil }.joined(separator: " ")
      }
      labels = names(patient.labels)
      eyeLabels = [0, 1].map { patient.eyeLabels.isEmpty ? "" : names(patient.eyeLabels[$0]) }
      files = [patient.left, patient.right].map(dataset.relative)
    }
  }
}
