import Foundation

/// Looks at every photograph of `patients` (places in `dataset`; nil: all) before anything is written, each rank at its share, and
/// does with those that cannot be used what `rule` says: ends the run with all of them named, or returns the data set without their
/// patients. `say` hears of them where one line has no room. Collective.
public func preflight(
  _ dataset: Dataset, _ communicator: any Communicator, patients: [Int]? = nil, workers: Int, onBad rule: BadImageRule,
  say: (String) -> Void
) throws -> Dataset {
  let all = patients ?? Array(dataset.patients.indices)
  let own = stride(from: communicator.rank, to: all.count, by: communicator.size).map { all[$0] }
  let bad = try communicator.gather(dataset.inspect(own, workers: workers)).sorted { $0.patient < $1.patient }
  guard !bad.isEmpty else { return dataset }
  if bad.count > BadPhotograph.mostNamed || rule == .skip { for photograph in bad { say(photograph.line) } }
  do {
    if rule == .skip { return try dataset.leavingOut(bad) }
    let failure = BadPhotograph.failure(bad)
    let hint = dataset.patients.count > 1 ? "--on-bad-image skip leaves their patients out" : nil
    throw Failure(failure.kind, failure.message, hint: hint)
  } catch let failure as Failure {
    throw Agreed(failure: failure)
  }
}

extension Communicator {
  /// All ranks' items, in the order of ranks. Collective.
  func gather<Item: Codable>(_ own: [Item]) throws -> [Item] {
    try allGather(JSONEncoder().encode(own)).flatMap { try JSONDecoder().decode([Item].self, from: $0) }
  }

  /// A line about photographs that were found to be odd on any rank since this was last called; nil where there are none.
  /// Collective.
  public func warningLine(_ dataset: Dataset) throws -> String? {
    // Several ranks may have decoded the same photograph.
    var seen: Set<String> = []
    let new = try gather(dataset.warnings.take()).filter { seen.insert($0.path).inserted }
    return DecoderWarning.line(new.sorted { $0.path < $1.path })
  }
}
