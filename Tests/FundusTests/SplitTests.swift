import Foundation
import Fundus
import Testing

struct SplitTests {
  private static let header =
    "ID,Patient Age,Patient Sex,Left-Fundus,Right-Fundus,Left-Diagnostic Keywords,Right-Diagnostic Keywords,N,D,G,C,A,H,M,O\n"

  @Test func sidesKeepTheProportionsOfLabels() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 200)
    for seed in UInt64(0)..<3 {
      let split = Split(dataset, validation: 0.25, seed: seed)
      #expect(
        Set(split.training + split.validation).count == 200 && split.training.count + split.validation.count == 200)
      #expect(abs(split.validation.count - 50) <= 4)
      for label in dataset.labels.indices {
        let all = dataset.patients.count { $0.labels[label] == 1 }
        let validating = split.validation.count { dataset.patients[$0].labels[label] == 1 }
        #expect(
          abs(Double(validating) - 0.25 * Double(all)) <= 2.5,
          "seed \(seed), \(dataset.labels[label]): \(validating) of \(all)")
      }
    }
    #expect(Split(dataset, validation: 0.25, seed: 1) == Split(dataset, validation: 0.25, seed: 1))
  }

  /// Rare labels come first: each side gets its share of them, whatever the labels that are frequent.
  @Test func rareLabelsAreSharedOut() throws {
    // 400 patients have label N; of them 8 have D too, 8 others G, 8 others C.
    let folder = try Folder()
    var rows = Self.header
    for patient in 0..<400 {
      let rare = patient < 24 ? 1 + patient / 8 : 0
      let labels = (0..<8).map { $0 == 0 || $0 == rare ? "1" : "0" }.joined(separator: ",")
      rows += "\(patient),60,Male,a.jpg,b.jpg,normal fundus,normal fundus,\(labels)\n"
    }
    _ = try folder.write("a.csv", rows)
    for name in ["a.jpg", "b.jpg"] {
      try gradient(8, 8).jpeg(quality: 90).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
    }
    let dataset = try Dataset(Dataset.Source(folder: folder.path))
    for seed in UInt64(0)..<5 {
      let split = Split(dataset, validation: 0.25, seed: seed)
      #expect(split.validation.count == 100, "seed \(seed)")
      for label in 1...3 {
        #expect(split.validation.count { dataset.patients[$0].labels[label] == 1 } == 2, "seed \(seed), label \(label)")
      }
    }
  }

  @Test func aSplitFileIsReadBack() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 12)
    let split = Split(dataset, validation: 0.3, seed: 4)
    let path = try folder.write("split.csv", split.csv(dataset))
    #expect(try Split(dataset, file: path) == split)
    let bad = try folder.write("bad.csv", "ID,split\n0,training\n")
    #expect(
      #expect(throws: Failure.self) { try Split(dataset, file: bad) }?.message.contains(
        "bad.csv, row 2: split is training") == true)
    let unknown = try folder.write("unknown.csv", split.csv(dataset) + "77,train\n")
    #expect(
      #expect(throws: Failure.self) { try Split(dataset, file: unknown) }?.message.contains(
        "unknown.csv, row 14: patient 77 is not in ") == true)
    let short = try folder.write("short.csv", "ID,split\n0,train\n")
    #expect(
      #expect(throws: Failure.self) { try Split(dataset, file: short) }?.message.contains("is on no side") == true)
  }

  /// Folds are parts: everybody validates in exactly one, and each has its share of every label.
  @Test func foldsArePartsOfAll() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 200)
    for folds in [2, 5] {
      let splits = (1...folds).map { Split(dataset, fold: $0, of: folds, seed: 7) }
      #expect(splits.flatMap(\.validation).sorted() == Array(0..<200))
      for split in splits {
        #expect((split.training + split.validation).sorted() == Array(0..<200))
        for label in dataset.labels.indices {
          let all = dataset.patients.count { $0.labels[label] == 1 }
          let validating = split.validation.count { dataset.patients[$0].labels[label] == 1 }
          #expect(abs(Double(validating) - Double(all) / Double(folds)) <= 3, "\(dataset.labels[label]) of \(folds)")
        }
      }
    }
    #expect(Split(dataset, fold: 1, of: 5, seed: 7) != Split(dataset, fold: 1, of: 5, seed: 8))
  }

  /// A photograph that is there twice, once encoded anew, keeps its patients together in every split.
  @Test func patientsWhoSharePhotographsStayTogether() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 40)
    let preparation = Preparation(height: 64, width: 96)
    func groups() throws -> [[Int]] {
      dataset.sharingPhotographs(try dataset.signatures(Array(0..<40), preparation, workers: 3))
    }
    #expect(try groups().isEmpty)
    let copy = try Photograph(path: dataset.patients[3].left)
    try copy.jpeg(quality: 90).write(to: URL(fileURLWithPath: dataset.patients[17].right))
    let bytes = try Data(contentsOf: URL(fileURLWithPath: dataset.patients[17].left))
    try bytes.write(to: URL(fileURLWithPath: dataset.patients[30].left))
    try bytes.write(to: URL(fileURLWithPath: dataset.patients[8].left))
    try bytes.write(to: URL(fileURLWithPath: dataset.patients[8].right))
    let found = try groups()
    #expect(found == [[3, 8, 17, 30]])
    #expect(dataset.text(found) == "3, 8, 17 and 30")
    for seed in UInt64(0)..<20 {
      let split = Split(dataset, validation: 0.3, groups: found, seed: seed)
      #expect(split.divided(found).isEmpty, "seed \(seed)")
      for fold in 1...4 { #expect(Split(dataset, fold: fold, of: 4, groups: found, seed: seed).divided(found).isEmpty) }
    }
    let divided = (UInt64(0)..<20).contains { !Split(dataset, validation: 0.3, seed: $0).divided(found).isEmpty }
    #expect(divided, "no split would have divided them")
  }

  /// The two pairs of patients of ODIR-5K whose photographs are the same.
  @Test(.enabled(if: odir != nil, "DMSNET_TEST_DATA has no odir"))
  func duplicatesOfTheRealDataAreFound() throws {
    let dataset = try Dataset(Dataset.Source(folder: try #require(odir)))
    let signatures = try dataset.signatures(
      Array(dataset.patients.indices), Preparation(height: 64, width: 64), workers: 2)
    #expect(dataset.text(dataset.sharingPhotographs(signatures)) == "352 and 973, 2487 and 3185")
  }
}
