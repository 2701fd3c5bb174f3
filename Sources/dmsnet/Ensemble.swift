import ArgumentParser
import Training

/// The thresholds above which labels are decided.
enum ThresholdChoice: String, ExpressibleByArgument, CaseIterable {
  case half = "0.5"
  case tuned
}

/// Checkpoints whose answers are averaged; often a single one.
struct Ensemble {
  /// The checkpoints, in the order in which they were named.
  let members: [TrainedModel]

  /// Opens the checkpoints at `paths`.
  init(_ paths: [String], threads: Int) throws {
    var members: [TrainedModel] = []
    for path in paths { members.append(try TrainedModel(path, threads: threads, sharing: members.last)) }
    let labels = members.map(\.state.configuration.labels)
    if let place = labels.firstIndex(where: { $0 != labels[0] }) {
      throw Failure(
        .usage, "\(members[place].path) knows \(labels[place]) labels, \(members[0].path) \(labels[0])")
    }
    self.members = members
  }

  /// What ranks compare.
  var facts: [String: String] { members.reduce(into: [:]) { $0.merge($1.facts) { $1 } } }

  /// The means of the thresholds that the members' runs have tuned, one for each of `labels`.
  func thresholds(_ labels: [String]) throws -> [Double] {
    let all = try members.map { try $0.thresholds(labels) }
    return labels.indices.map { label in all.reduce(0) { $0 + $1[label] } / Double(all.count) }
  }

  /// Makes the data set ready for each member, which differ in how they prepare photographs. Collective.
  func ready(
    _ found: Dataset, _ patients: [Int], onBad rule: BadImageRule, by path: (Preparation) -> DataPath
  ) throws -> [Dataset] {
    var made: [(preparation: Preparation, dataset: Dataset)] = []
    for preparation in members.map(\.state.options.preparation)
    where !made.contains(where: { $0.preparation == preparation }) {
      made.append((preparation, try path(preparation).ready(found, patients, onBad: rule)))
    }
    let datasets = members.compactMap { member in
      made.first { $0.preparation == member.state.options.preparation }?.dataset
    }
    guard datasets.allSatisfy({ $0.patients.count == datasets[0].patients.count }) else {
      throw Agreed(failure: Failure(.data, "\(found.annotations): some photographs serve some checkpoints only"))
    }
    return datasets
  }

  /// What a member answers, of its file of `weights`; nil: of those that answer first. Collective.
  func answer(
    _ member: Int, _ dataset: Dataset, _ patients: [Int], weights: String? = nil, _ changes: [PairChange],
    _ communicator: any Communicator, workers: Int
  ) throws -> [Float] {
    let model = members[member]
    let weights = weights ?? model.weights[0]
    try communicator.together { try model.load(weights) }
    return try Predictor(model.replica, model.state.options.preparation, communicator, workers: workers)
      .probabilities(dataset, patients, changes: changes, with: "\(model.path)/\(weights)")
  }

  /// The mean of what all members answer, `datasets` being theirs. Collective.
  func answer(
    _ datasets: [Dataset], _ patients: [Int], _ changes: [PairChange], _ communicator: any Communicator,
    workers: Int
  ) throws -> [Float] {
    try Predictor.mean(
      members.indices.map { try answer($0, datasets[$0], patients, changes, communicator, workers: workers) })
  }
}
