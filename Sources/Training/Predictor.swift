import Foundation

/// What evaluation shows the network of a pair; its answers are averaged.
public enum TestTimeAugmentation: String, CaseIterable, Sendable {
  /// The pair as it is.
  case none
  /// And mirrored: pictures flip, eyes change places.
  case flip
  /// And both of these upside down.
  case flips

  /// What happens to the pair, once a run of the network.
  public var changes: [PairChange] {
    switch self {
    case .none: [.none]
    case .flip: [.none, .mirrored]
    case .flips: [.none, .mirrored, .upsideDown, .turned]
    }
  }
}

/// Runs the network over patients, shared out among ranks.
public struct Predictor {
  /// Pairs of one evaluation batch. A whole batch is one rank's, so no bit depends on how many ranks there are.
  public static let batch = 8

  private let replica: Replica
  private let preparation: Preparation
  private let communicator: any Communicator
  private let workers: Int

  /// A predictor over a replica, of photographs prepared as in its training.
  public init(_ replica: Replica, _ preparation: Preparation, _ communicator: any Communicator, workers: Int) {
    (self.replica, self.preparation) = (replica, preparation)
    (self.communicator, self.workers) = (communicator, workers)
  }

  /// Where this rank is.
  var whereabouts: Whereabouts { communicator.whereabouts }

  /// To be called after the replica's variables changed.
  func variablesChanged() { replica.variablesChanged() }

  /// The probabilities [N,K] of `patients` (places in `dataset`), on every rank: the means over what `changes` make of a pair. One
  /// that is not a number ends the run, naming the patient and `source`, where the weights come from.
  public func probabilities(
    _ dataset: Dataset, _ patients: [Int], changes: [PairChange] = [.none], with source: String
  ) throws -> [Float] {
    try Self.mean(changes.map { try probabilities(dataset, patients, $0, with: source) })
  }

  /// The means, element by element, of several answers.
  public static func mean(_ answers: [[Float]]) -> [Float] {
    (answers.first ?? []).indices.map { i in Float(answers.reduce(0) { $0 + Double($1[i]) } / Double(answers.count)) }
  }

  private func probabilities(
    _ dataset: Dataset, _ patients: [Int], _ change: PairChange, with source: String
  ) throws -> [Float] {
    let (rank, ranks, size) = (communicator.rank, communicator.size, Self.batch)
    let count = (patients.count + size - 1) / size
    let own = Array(stride(from: rank, to: count, by: ranks))
    let loader = Loader(dataset, preparation, change: { _ in change }, workers: workers) { index in
      guard index < own.count else { return nil }
      return (own[index] * size..<min(patients.count, (own[index] + 1) * size)).map {
        Example(patient: patients[$0], epoch: 0, position: $0)
      }
    }
    let mine = try communicator.together {
      var result: [Float] = []
      while let batch = try communicator.whereabouts.during(.loading, loader.next) {
        let program = try replica.inference(pairs: batch.examples.count)
        program.fill("images") { batch.copyImages(into: $0) }
        program.run()
        let logits = program.output("logits")?.values ?? []
        result += logits.map { $0.isFinite ? Float(1 / (1 + exp(-Double($0)))) : .nan }
      }
      return result
    }
    let all = try communicator.allGather(mine.withUnsafeBytes { Data($0) }).map { data in
      data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
    let labels = replica.network.configuration.labels
    var result: [Float] = []
    var taken = [Int](repeating: 0, count: ranks)
    for index in 0..<count {
      let values = min(size, patients.count - index * size) * labels
      let rank = index % ranks
      result += all[rank][taken[rank]..<taken[rank] + values]
      taken[rank] += values
    }
    if let place = result.firstIndex(where: \.isNaN) {
      let (patient, label) = (dataset.patients[patients[place / labels]].id, dataset.labels[place % labels])
      throw Agreed(
        failure: Failure(.run, "patient \(patient): the probability of \(label) is not a number with \(source)"))
    }
    return result
  }
}
