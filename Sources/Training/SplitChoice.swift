import Foundation

extension Options {
  /// Refuses ways to split that do not go together.
  func checkFolds() throws {
    guard self.folds > 0 else {
      guard self.fold == 1 else { throw Failure(.usage, "--fold is \(self.fold) without --folds") }
      return
    }
    guard self.fold <= self.folds else {
      throw Failure(.usage, "--fold is \(self.fold), expected 1 to \(self.folds), the value of --folds")
    }
    guard self.split == nil else { throw Failure(.usage, "--folds and --split cannot both be given") }
  }
}

extension DataPath {
  /// Who trains and who validates in a new run. Patients who share photographs stay on one side, unless a file of the split says
  /// otherwise, which is told. Collective.
  func split(_ dataset: Dataset, _ options: Options) throws -> Split {
    let groups = try sharingPhotographs(dataset)
    let split = try communicator.together {
      if let file = options.split { return try Split(dataset, file: file) }
      guard options.folds > 0 else {
        return Split(dataset, validation: options.validation, groups: groups, seed: options.seed)
      }
      guard dataset.patients.count >= options.folds else {
        throw Failure(.usage, "--folds is \(options.folds), more than the \(dataset.patients.count) patients")
      }
      return Split(dataset, fold: options.fold, of: options.folds, groups: groups, seed: options.seed)
    }
    let divided = split.divided(groups)
    if !divided.isEmpty {
      progress.say(
        "warning: the same photographs are on both sides of \(options.split ?? "the split"): patients "
          + dataset.text(divided))
    } else if !groups.isEmpty {
      progress.say("the same photographs, kept on one side: patients \(dataset.text(groups))")
    }
    return split
  }

  /// Groups of patients who share photographs, each rank having looked at its part of them. Collective.
  private func sharingPhotographs(_ dataset: Dataset) throws -> [[Int]] {
    let (all, rank, ranks) = (dataset.patients.count, communicator.rank, communicator.size)
    let own = Array(all * rank / ranks..<all * (rank + 1) / ranks)
    let signatures = try communicator.together {
      try dataset.signatures(own, preparation, workers: workers)
    }
    return dataset.sharingPhotographs(try communicator.allGather(signatures).reduce(Data(), +))
  }
}
