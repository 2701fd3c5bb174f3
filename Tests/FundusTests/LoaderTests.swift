import Foundation
import Fundus
import Testing

struct SamplerTests {
  @Test func everyPatientComesOnceAnEpochOnAnyNumberOfRanks() {
    let sampler = Sampler(patients: Array(100..<123), batch: 5, microBatch: 2, seed: 3)
    for ranks in [1, 2, 3, 7] {
      for epoch in 0..<2 {
        let order = sampler.order(epoch: epoch)
        var seen: [Int] = []
        for step in 0..<sampler.stepsPerEpoch {
          let microBatches = sampler.microBatches(step: step)
          #expect(microBatches.dropLast().allSatisfy { $0.count == 2 })
          for share in Sampler.shares(microBatches.count, ranks: ranks) {
            seen += microBatches[share].flatMap { $0.map { order[$0] } }
          }
        }
        #expect(seen == order && Set(seen) == Set(100..<123))
      }
    }
    #expect(sampler.order(epoch: 0) != sampler.order(epoch: 1))
    #expect(
      sampler.stepsPerEpoch == 5
        && Sampler(patients: Array(0..<23), batch: 5, microBatch: 2, seed: 0, dropLast: true).stepsPerEpoch == 4)
    #expect(sampler.positions(step: 4).count == 3)
  }
}

struct BalancedSamplerTests {
  /// Every label comes as often as others, however rare it is, and epochs follow from the seed; nobody comes who does not train.
  @Test func labelsComeEquallyOften() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 60)
    let patients = Array(0..<50)
    func sampler(_ kind: Sampler.Kind, seed: UInt64) -> Sampler {
      Sampler(kind, dataset, patients: patients, batch: 7, microBatch: 2, seed: seed)
    }
    let balanced = sampler(.balanced, seed: 3)
    let epochs = (0..<40).map { balanced.order(epoch: $0) }
    #expect(epochs.allSatisfy { $0.count == 50 && $0.allSatisfy(patients.contains) } && Set(epochs).count == 40)
    #expect(sampler(.balanced, seed: 3).order(epoch: 5) == epochs[5])
    #expect(sampler(.balanced, seed: 4).order(epoch: 5) != epochs[5])
    #expect(balanced.stepsPerEpoch == sampler(.shuffle, seed: 3).stepsPerEpoch)
    #expect(sampler(.shuffle, seed: 3).order(epoch: 1).sorted() == patients)
    // A label is drawn first: each patient's expected share is the mean over labels of its share in those it has.
    let known = dataset.labels.indices.map { label in patients.filter { dataset.patients[$0].labels[label] == 1 } }
      .filter { !$0.isEmpty }
    for patient in patients {
      let share = known.reduce(0) { $0 + ($1.contains(patient) ? 1 / Double($1.count) : 0) } / Double(known.count)
      let found = Double(epochs.joined().count { $0 == patient }) / 2000
      #expect(abs(found - share) < 5 * (share / 2000).squareRoot(), "patient \(patient): \(found), expected \(share)")
    }
  }
}

struct LoaderTests {
  private func load(_ dataset: Dataset, workers: Int, flip: Float) throws -> [[Float]] {
    var settings = Augmentation.Settings()
    settings.flip = flip
    return try load(dataset, workers: workers, Augmentation(seed: 1, settings))
  }

  private func load(_ dataset: Dataset, workers: Int, _ augmentation: Augmentation) throws -> [[Float]] {
    let loader = Loader(
      dataset, Preparation(height: 64, width: 64), augmentation: augmentation, workers: workers
    ) { index in
      index < 4 ? (index * 2..<index * 2 + 2).map { Example(patient: $0, epoch: 0, position: $0) } : nil
    }
    var result: [[Float]] = []
    while let batch = try loader.next() {
      var images = [Float](repeating: 0, count: batch.examples.count * 2 * 64 * 64 * 3)
      images.withUnsafeMutableBufferPointer { batch.copyImages(into: $0) }
      result.append(images + batch.labels + batch.eyeLabels)
    }
    return result
  }

  @Test func batchesDoNotDependOnTheNumberOfWorkers() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 8)
    let one = try load(dataset, workers: 1, flip: 0.5)
    #expect(one.count == 4)
    #expect(try load(dataset, workers: 3, flip: 0.5) == one)
  }

  /// Mirroring a pair mirrors both pictures and lets the eyes change places, labels too.
  @Test func aFlipSwapsTheEyes() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 8)
    let plain = try load(dataset, workers: 1, flip: 0)[0]
    let flipped = try load(dataset, workers: 1, flip: 1)[0]
    let picture = 64 * 64 * 3
    func pixel(_ batch: [Float], _ image: Int, _ y: Int, _ x: Int) -> Float {
      batch[image * picture + (y * 64 + x) * 3]
    }
    for (y, x) in [(10, 20), (32, 5), (40, 50)] {
      #expect(pixel(flipped, 0, y, x) == pixel(plain, 2, y, 63 - x))
      #expect(pixel(flipped, 3, y, x) == pixel(plain, 1, y, 63 - x))
    }
    let labels = 4 * picture
    #expect(Array(flipped[labels..<labels + 16]) == Array(plain[labels..<labels + 16]))
    let eyes = labels + 16
    #expect(Array(flipped[eyes..<eyes + 16]) == Array(plain[eyes + 16..<eyes + 32]))
  }

  /// What evaluation shows: mirrored is what a flip does; upside down keeps the eyes; swapped keeps the pictures.
  @Test func aPairCanBeSeenInOtherWays() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 8)
    let picture = 64 * 64 * 3
    func seen(_ change: PairChange) throws -> [[Float]] {
      let loader = Loader(dataset, Preparation(height: 64, width: 64), change: { _ in change }, workers: 2) { index in
        index < 1 ? [Example(patient: 5, epoch: 0, position: 0)] : nil
      }
      return try #require(try loader.next()).withImages { images in
        [0, 1].map { Array(images[$0 * picture..<($0 + 1) * picture]) }
      }
    }
    func moved(_ image: [Float], _ place: (Int, Int) -> (Int, Int)) -> [Float] {
      (0..<picture).map { i in
        let (y, x) = place(i / 3 / 64, i / 3 % 64)
        return image[(y * 64 + x) * 3 + i % 3]
      }
    }
    func isClose(_ a: [[Float]], _ b: [[Float]]) -> Bool {
      zip(a.joined(), b.joined()).allSatisfy { abs($0 - $1) < 1e-4 }
    }
    let plain = try seen(.none)
    let turned = plain.map { moved($0) { (63 - $0, $1) } }
    #expect(try seen(.swapped) == [plain[1], plain[0]])
    #expect(try seen(.mirrored) == [plain[1], plain[0]].map { moved($0) { ($0, 63 - $1) } })
    #expect(try isClose(seen(.upsideDown), turned) && !isClose(plain, turned))
    #expect(try isClose(seen(.turned), [turned[1], turned[0]].map { moved($0) { ($0, 63 - $1) } }))
  }

  /// However many batches there are, their images lie in a few places; that of a batch that somebody still holds is not among them.
  @Test func memoryOfBatchesIsUsedAgain() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 8)
    let loader = Loader(dataset, Preparation(height: 64, width: 64), augmentation: nil, workers: 2, prefetch: 2) {
      index in
      index < 40 ? [Example(patient: index % 8, epoch: 0, position: index)] : nil
    }
    let kept = try #require(try loader.next())
    let before = kept.withImages { Array($0) }
    var places: Set<UnsafePointer<Float>?> = []
    while let batch = try loader.next() { places.insert(batch.withImages { $0.baseAddress }) }
    #expect(places.count <= 6, "\(places.count) buffers")
    #expect(!places.contains(kept.withImages { $0.baseAddress }) && kept.withImages { Array($0) } == before)
  }

  @Test func aBadPictureSurfacesInItsBatch() throws {
    let folder = try Folder()
    let dataset = try synthesized(folder, patients: 8)
    try Data("no picture".utf8).write(to: URL(fileURLWithPath: dataset.patients[3].right))
    let loader = Loader(dataset, Preparation(height: 64, width: 64), augmentation: nil, workers: 2) { index in
      index < 8 ? [Example(patient: index, epoch: 0, position: index)] : nil
    }
    for _ in 0..<3 { #expect(try loader.next() != nil) }
    let message = #expect(throws: Failure.self) { try loader.next() }?.message
    #expect(message?.hasPrefix("patient 3: ") == true && message?.contains("3_right.jpg: ") == true)
  }
}

struct SynthesisTests {
  @Test func aSeedGivesTheSameFilesOnAnyNumberOfThreads() throws {
    let folder = try Folder()
    for (name, threads) in [("a", 1), ("b", 3)] {
      try Synthesis(patients: 5, seed: 9, size: 40, difficulty: 0.5, labelNoise: 0.2, format: .xlsx)
        .write(to: "\(folder.path)/\(name)", threads: threads)
    }
    for name in ["annotations.xlsx"] + (0..<5).flatMap({ ["images/\($0)_left.jpg", "images/\($0)_right.jpg"] }) {
      let files = ["a", "b"].map { FileManager.default.contents(atPath: "\(folder.path)/\($0)/\(name)") }
      #expect(files[0] != nil && files[0] == files[1], "\(name)")
    }
  }

  @Test func tablesOfBothKindsSayTheSameAndFollowTheRules() throws {
    let folder = try Folder()
    let (csv, xlsx) = (try synthesized(folder, patients: 60), try synthesized(folder, patients: 60, format: .xlsx))
    #expect(
      csv.patients.map(\.labels) == xlsx.patients.map(\.labels) && csv.patients.map(\.id) == xlsx.patients.map(\.id))
    for patient in csv.patients {
      let eyes = patient.eyeLabels.map { eye in Set(csv.labels.indices.filter { eye[$0] == 1 }.map { csv.labels[$0] }) }
      #expect(
        Keywords.patient(eyes[0], eyes[1])
          == Set(csv.labels.indices.filter { patient.labels[$0] == 1 }.map { csv.labels[$0] }))
    }
    #expect(#expect(throws: Failure.self) { try synthesized(folder, patients: 3) }?.kind == .output)
  }
}
