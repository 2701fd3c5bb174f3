import Foundation
import Testing
import Training

/// What evaluation answers, against runs of the network written out.
struct PredictorTests {
  private let folder = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString

  @Test(arguments: TestTimeAugmentation.allCases)
  func answersAreMeansOverWhatIsShown(_ augmentation: TestTimeAugmentation) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Synthesis(patients: 11, seed: 5, size: 64, difficulty: 0.5, labelNoise: 0, format: .csv)
      .write(to: folder, threads: 1)
    let options = try Options([
      "data": [folder], "depth": ["18"], "stem": ["8"], "width": ["32"], "embedding": ["16"], "size": ["64"],
    ])
    let dataset = try options.dataset()
    let replica = try Replica(options.network(labels: 8), height: 64, width: 64, threads: 1, seed: 7, trains: false)
    let patients = Array(dataset.patients.indices.dropFirst())
    let shown: [PairChange] =
      switch augmentation {
      case .none: [.none]
      case .flip: [.none, .mirrored]
      case .flips: [.none, .mirrored, .upsideDown, .turned]
      }
    var sums = [Double](repeating: 0, count: patients.count * 8)
    for change in shown {
      let loader = Loader(dataset, options.preparation, change: { _ in change }, workers: 1) { index in
        index < patients.count ? [Example(patient: patients[index], epoch: 0, position: index)] : nil
      }
      for place in patients.indices {
        let batch = try #require(try loader.next())
        let program = try replica.inference(pairs: 1)
        program.fill("images") { batch.copyImages(into: $0) }
        program.run()
        let logits = try #require(program.output("logits")).values
        for (label, logit) in logits.enumerated() { sums[place * 8 + label] += 1 / (1 + exp(-Double(logit))) }
      }
    }
    for ranks in [1, 2] {
      let found = ThreadRanks.run(ranks) { communicator in
        let replica = try Replica(options.network(labels: 8), height: 64, width: 64, threads: 1, seed: 7, trains: false)
        return try Predictor(replica, options.preparation, communicator, workers: 1)
          .probabilities(dataset, patients, changes: augmentation.changes, with: "the start")
      }
      for result in found {
        let answers = try result.get()
        #expect(answers.count == sums.count)
        #expect(zip(answers, sums).allSatisfy { abs(Double($0) - $1 / Double(shown.count)) < 1e-5 })
      }
    }
  }
}
