import Foundation
import Fundus

/// A folder with one pair of photographs and tables that name it, read through `Dataset`.
struct AnnotationFolder {
  static let header = [
    "ID", "Patient Age", "Patient Sex", "Left-Fundus", "Right-Fundus", "Left-Diagnostic Keywords",
    "Right-Diagnostic Keywords", "N", "D", "G", "C", "A", "H", "M", "O",
  ]

  let folder: Folder

  init() throws {
    folder = try Folder()
    for side in ["left", "right"] {
      try gradient(8, 8).jpeg(quality: 90).write(to: URL(fileURLWithPath: "\(folder.path)/1_\(side).jpg"))
    }
  }

  /// A row of the table.
  static func row(
    _ id: String, labels: [String] = ["0", "0", "0", "1", "0", "0", "0", "0"], keywords: String = "cataract"
  )
    -> [String]
  {
    [id, "60", "Male", "1_left.jpg", "1_right.jpg", keywords, "normal fundus"] + labels
  }

  func path(_ name: String) -> String { "\(folder.path)/\(name)" }

  func read(_ data: Data, name: String = "t.csv", sheet: String? = nil) throws -> [Patient] {
    try data.write(to: URL(fileURLWithPath: path(name)))
    return try readFile(name, sheet: sheet)
  }

  func read(_ text: String, name: String = "t.csv") throws -> [Patient] { try read(Data(text.utf8), name: name) }

  func read(_ workbook: SpreadsheetParts, sheet: String? = nil) throws -> [Patient] {
    try workbook.write(to: path("t.xlsx"))
    return try readFile("t.xlsx", sheet: sheet)
  }

  func readFile(_ name: String, sheet: String? = nil) throws -> [Patient] {
    var source = Dataset.Source(folder: folder.path)
    source.annotations = path(name)
    source.sheet = sheet
    return try Dataset(source).patients
  }

  /// The failure of bad data or missing input that reading ends with, nil where it ends well.
  func failure(_ read: () throws -> [Patient]) throws -> Failure? {
    do { _ = try read() } catch let failure as Failure { return failure }
    return nil
  }
}

/// A random number generator with a seed that a failing test prints.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
