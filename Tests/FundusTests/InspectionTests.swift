import Foundation
import Fundus
import Testing

/// The look at photographs before a run.
struct InspectionTests {
  /// A data set of `pairs` whose left photographs are `files`; all right ones are good.
  private func dataset(_ folder: Folder, _ files: [(name: String, data: Data)]) throws -> Dataset {
    let good = "\(folder.path)/good.jpg"
    try gradient(32, 32).jpeg(quality: 90).write(to: URL(fileURLWithPath: good))
    return Dataset(
      pairs: try files.map { name, data in
        let path = "\(folder.path)/\(name)"
        try data.write(to: URL(fileURLWithPath: path))
        return (id: name, left: path, right: good)
      })
  }

  private func decodes(_ path: String, atLeast: Int = .max) -> Bool {
    (try? Photograph(path: path, atLeast: atLeast)) != nil
  }

  @Test func allBadPhotographsAreFoundAtOnce() throws {
    let folder = try Folder()
    let good = try gradient(40, 40).jpeg(quality: 90)
    let files = try [("first.jpg", good)] + unusable().map { ($0.name, $0.data) } + [("last.jpg", good)]
    let dataset = try dataset(folder, files)
    for workers in [1, 3] {
      let bad = dataset.inspect(Array(dataset.patients.indices), workers: workers)
      #expect(bad.map(\.patient) == Array(1..<files.count - 1) && bad.allSatisfy { $0.isLeft && $0.kind == .data })
      for (bad, expected) in zip(bad, try unusable()) {
        #expect(bad.line.hasPrefix("\(folder.path)/\(expected.name): ") && bad.reason.contains(expected.reason))
      }
    }
    let bad = dataset.inspect([0, 1, 2, 3, 4, 5], workers: 2)
    let failure = BadPhotograph.failure(bad)
    #expect(failure.kind == .data && failure.message.hasPrefix("5 photographs cannot be used: \(bad[0].path) ("))
    #expect(failure.message.hasSuffix(") and 2 more"))
    #expect(BadPhotograph.failure([bad[1]]).message == bad[1].line)
    try FileManager.default.removeItem(atPath: dataset.patients[0].left)
    #expect(BadPhotograph.failure(dataset.inspect([0], workers: 1)).kind == .missing)
  }

  @Test func patientsOfBadPhotographsAreLeftOutAndCounted() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 8)
    for path in [
      dataset.patients[1].left, dataset.patients[3].right, dataset.patients[4].left, dataset.patients[4].right,
    ] {
      try Data("no picture".utf8).write(to: URL(fileURLWithPath: path))
    }
    let left = try dataset.leavingOut(dataset.inspect(Array(0..<8), workers: 2))
    #expect(left.patients.map(\.id) == ["0", "2", "5", "6", "7"])
    #expect(
      left.summary.hasSuffix(
        "5 of 8 patients have both images; 3 left out: 1 left image bad, 1 right image bad, 1 both images bad"))
    #expect(try dataset.leavingOut([]).patients == dataset.patients)
    let nobody = #expect(throws: Failure.self) {
      try Dataset(pairs: [(id: "a", left: "/nowhere/a", right: "/nowhere/b")])
        .leavingOut(Dataset(pairs: [(id: "a", left: "/nowhere/a", right: "/nowhere/b")]).inspect([0], workers: 1))
    }
    #expect(nobody?.kind == .missing && nobody?.message.hasPrefix("no patient is left: 2 photographs") == true)
  }

  /// What every viewer shows is no error: it is told, each file once.
  @Test func harmlessDamageIsAWarning() throws {
    let folder = try Folder()
    let jpeg = try gradient(64, 64).jpeg(quality: 90)
    // Bytes that belong to nothing, before the end; no end marker; repeated scans.
    let stray = jpeg.dropLast(2) + Data([1, 2, 3, 4, 5, 6, 7, 8, 0xFF, 0xD9])
    let files = [("stray.jpg", stray), ("endless.jpg", jpeg.dropLast(2)), ("scans.jpg", JPEG.progressive(scans: 9))]
    let dataset = try dataset(folder, files.map { ($0.0, Data($0.1)) })
    #expect(dataset.inspect([0, 1, 2], workers: 1).isEmpty)
    for patient in dataset.patients { #expect(decodes(patient.left)) }
    func load() throws {
      let loader = Loader(dataset, Preparation(height: 64, width: 64), augmentation: nil, workers: 2) { index in
        index < 3 ? [Example(patient: index, epoch: 0, position: index)] : nil
      }
      while try loader.next() != nil {}
    }
    try load()
    let warnings = dataset.warnings.take()
    #expect(warnings.map(\.path) == files.map { "\(folder.path)/\($0.0)" }.sorted())
    #expect(
      DecoderWarning.line(warnings)?.hasPrefix(
        "warning: 3 photographs are damaged but readable: \(folder.path)/endless")
        == true)
    try load()
    #expect(dataset.warnings.take().isEmpty && DecoderWarning.line([]) == nil)
  }

  /// Whatever bytes a file has, it is a photograph or a failure, and the look before the run says which.
  @Test func theLookAgreesWithDecodingWhateverTheBytes() throws {
    let folder = try Folder()
    let seed = UInt64.random(in: 0..<1 << 32)
    print("mutated photographs: seed \(seed)")
    var random = CounterRandom(seed: seed).stream(.test)
    let exif = JPEG.segment(
      0xE1, Array("Exif\0\0II*\0\u{8}\0\0\0\u{1}\0".utf8) + [0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0])
    let jpeg = try gradient(48, 40).jpeg(quality: 80)
    let seeds = [
      jpeg, jpeg.prefix(2) + Data(exif) + jpeg.dropFirst(2), JPEG.progressive(scans: 3), PNG.rgb(gradient(20, 12)).data,
      PNG(width: 2, height: 1, kind: 3, chunks: [("PLTE", [1, 2, 3, 4, 5, 6]), ("tRNS", [9])], rows: [[1, 0]]).data,
    ]
    for index in 0..<600 {
      var mutated = [UInt8](seeds[index % seeds.count])
      for _ in 0...random.below(4) {
        let place = random.below(mutated.count)
        switch random.below(5) {
        case 0: mutated[place] = UInt8(random.below(256))
        case 1: mutated[place] ^= 1 << UInt8(random.below(8))
        case 2: mutated[random.below(min(mutated.count, 200))] = UInt8(random.below(256))
        case 3: mutated.removeSubrange(place..<min(mutated.count, place + 1 + random.below(20)))
        default:
          mutated.insert(contentsOf: mutated[place..<min(mutated.count, place + 9)], at: random.below(mutated.count))
        }
        if mutated.isEmpty { mutated = [0xFF] }
      }
      let name = "\(index)"
      let dataset = try dataset(folder, [(name, Data(mutated))])
      let bad = dataset.inspect([0], workers: 1)
      let path = dataset.patients[0].left
      #expect(bad.isEmpty == decodes(path) && bad.isEmpty == decodes(path, atLeast: 8), "seed \(seed), \(index)")
      #expect(bad.allSatisfy { $0.kind == .data }, "seed \(seed), \(index): \(bad)")
      try FileManager.default.removeItem(atPath: path)
    }
  }
}
