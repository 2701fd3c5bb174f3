import Foundation
import Fundus
import Testing

struct AnnotationTests {
  private static let header =
    "ID,Patient Age,Patient Sex,Left-Fundus,Right-Fundus,Left-Diagnostic Keywords,Right-Diagnostic Keywords,N,D,G,C,A,H,M,O\n"

  private func failure(_ table: String, name: String = "a.csv", _ change: (inout Dataset.Source) -> Void = { _ in })
    throws -> Failure?
  {
    let folder = try Folder()
    _ = try folder.write(name, table)
    for image in ["1_left.jpg", "1_right.jpg", "2_left.jpg"] {
      try gradient(8, 8).jpeg(quality: 90).write(to: URL(fileURLWithPath: "\(folder.path)/\(image)"))
    }
    var source = Dataset.Source(folder: folder.path)
    change(&source)
    do { _ = try Dataset(source) } catch let failure as Failure { return failure }
    return nil
  }

  private let good = "1,60,Male,1_left.jpg,1_right.jpg,normal fundus,\"cataract，lens dust\",0,0,0,1,0,0,0,0\r\n"

  @Test func aQuotedTableWithMarkAndCarriageReturnsIsRead() throws {
    #expect(try failure("\u{FEFF}" + Self.header + good) == nil)
  }

  @Test func errorsNameFileAndRow() throws {
    #expect(
      try failure(
        Self.header + good
          + good.replacingOccurrences(of: "1,60", with: "3,60").replacingOccurrences(of: ",0\r", with: ",2\r"))?.message
        .hasSuffix("a.csv, row 3: label O is 2, expected 0 or 1") == true)
    #expect(
      try failure(
        Self.header.replacingOccurrences(of: ",G", with: "") + good.replacingOccurrences(of: "0,1,", with: "1,"))?
        .message.hasSuffix(
          "a.csv: column G is missing") == true)
    #expect(
      try failure(
        Self.header + good
          + good.replacingOccurrences(of: "60", with: "60").replacingOccurrences(of: "cataract", with: "glaucoma"))?
        .message.contains("row 3: ID 1 stands in row 2 with other contents") == true)
    #expect(try failure("not a zip", name: "a.xlsx")?.message.contains("a.xlsx: not an XLSX workbook") == true)
    #expect(try failure(Self.header + "1,\"60\n")?.message.contains("a quote is not closed") == true)
    #expect(try failure(Self.header)?.kind == .data)
  }

  @Test func missingImagesAreCountedOrRefused() throws {
    let second = good.replacingOccurrences(of: "1,60", with: "2,60").replacingOccurrences(of: "1_", with: "2_")
    let third = second.replacingOccurrences(of: "2,60", with: "3,60").replacingOccurrences(of: "2_", with: "3_")
    let folder = try Folder()
    _ = try folder.write("a.csv", Self.header + good + second + third)
    for image in ["1_left.jpg", "1_right.jpg", "2_left.jpg"] {
      try gradient(8, 8).jpeg(quality: 90).write(to: URL(fileURLWithPath: "\(folder.path)/\(image)"))
    }
    let dataset = try Dataset(Dataset.Source(folder: folder.path))
    #expect(dataset.patients.map(\.id) == ["1"])
    #expect(
      dataset.summary.contains(
        "1 of 3 patients have both images; 2 left out: 1 right image missing, 1 both images missing"))
    let refused = try failure(Self.header + good + second) { $0.isStrict = true }
    #expect(refused?.kind == .missing && refused?.message.contains("row 3: image 2_right.jpg") == true)
  }

  @Test func oneNameInTwoPlacesIsAnError() throws {
    let folder = try Folder()
    _ = try folder.write("a.csv", Self.header + good)
    for place in ["x", "y"] {
      try FileManager.default.createDirectory(atPath: "\(folder.path)/\(place)", withIntermediateDirectories: true)
      for image in ["1_left.jpg", "1_right.jpg"] {
        try gradient(8, 8).jpeg(quality: 90).write(to: URL(fileURLWithPath: "\(folder.path)/\(place)/\(image)"))
      }
    }
    let failure = #expect(throws: Failure.self) { try Dataset(Dataset.Source(folder: folder.path)) }
    #expect(failure?.message.contains("x/1_left.jpg and") == true && failure?.hint?.contains("--images") == true)
    var source = Dataset.Source(folder: folder.path)
    source.images = folder.path + "/x"
    #expect(try Dataset(source).patients.count == 1)
  }

  @Test(.enabled(if: odir != nil, "DMSNET_TEST_DATA names no folder with odir"))
  func theRealTableIsReadWhole() throws {
    let folder = try #require(odir)
    let dataset = try Dataset(Dataset.Source(folder: folder))
    #expect(dataset.rowCount == 3500 && dataset.patients.count == 2915)
    #expect(dataset.excluded.map(\.count) == [118, 165, 302])
    var source = Dataset.Source(folder: folder)
    source.annotations = folder + "/full_df.csv"
    let kaggle = try Dataset(source)
    let byID = Dictionary(uniqueKeysWithValues: dataset.patients.map { ($0.id, $0) })
    #expect(kaggle.patients.allSatisfy { byID[$0.id]?.labels == $0.labels && byID[$0.id]?.eyeLabels == $0.eyeLabels })
    #expect(kaggle.patients.count == 2915)
  }

  /// The rules' union over both eyes reproduces the organisers' columns in all but one row.
  @Test(.enabled(if: odir != nil, "DMSNET_TEST_DATA names no folder with odir"))
  func keywordsReproduceTheColumns() throws {
    let dataset = try Dataset(Dataset.Source(folder: try #require(odir)))
    let wrong = dataset.patients.filter { patient in
      let eyes = patient.eyeLabels.map { eye in
        Set(dataset.labels.indices.filter { eye[$0] == 1 }.map { dataset.labels[$0] })
      }
      return Keywords.patient(eyes[0], eyes[1])
        != Set(dataset.labels.indices.filter { patient.labels[$0] == 1 }.map { dataset.labels[$0] })
    }
    #expect(wrong.count <= 1)
  }

  @Test func keywordRules() {
    #expect(Keywords.labels(of: "moderate non proliferative retinopathy，laser spot") == ["D", "O"])
    #expect(Keywords.labels(of: "normal fundus, lens dust") == ["N"])
    #expect(Keywords.labels(of: "lens dust") == [])
    #expect(Keywords.labels(of: "normal fundus，suspected glaucoma") == ["G"])
    #expect(Keywords.labels(of: "hypertensive retinopathy") == ["H"])
    #expect(Keywords.labels(of: "diabetic retinopathy,myopic maculopathy") == ["D", "M"])
  }
}

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
    let short = try folder.write("short.csv", "ID,split\n0,train\n")
    #expect(
      #expect(throws: Failure.self) { try Split(dataset, file: short) }?.message.contains("is on no side") == true)
  }
}
