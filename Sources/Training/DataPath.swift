import Foundation

/// From a data set as it was found to one that can be used: photographs that cannot are found, and pairs are prepared.
public struct DataPath {
  let preparation: Preparation
  private let choice: CacheLocation.Choice
  let workers: Int
  private let isRequired: Bool
  let communicator: any Communicator
  let progress: Progress

  /// - Parameters:
  ///   - choice: where this rank's prepared pairs are kept.
  ///   - workers: threads that decode.
  ///   - isRequired: whether a cache that cannot be written is an error also where nobody named its place.
  public init(
    _ preparation: Preparation, cache choice: CacheLocation.Choice, workers: Int, isRequired: Bool = false,
    _ communicator: any Communicator, _ progress: Progress
  ) {
    (self.preparation, self.choice, self.workers) = (preparation, choice, workers)
    self.isRequired = isRequired || choice != .besideData
    (self.communicator, self.progress) = (communicator, progress)
  }

  /// The path that `options` describe.
  package init(
    _ options: Options, isRequired: Bool = false, _ communicator: any Communicator, _ progress: Progress
  ) {
    self.init(
      options.preparation, cache: options.cache, workers: options.workers, isRequired: isRequired, communicator,
      progress)
  }

  /// Looks at the photographs of `patients` (places in `found`) and prepares pairs that no cache holds. Where photographs cannot be
  /// used, `rule` says what happens. Whoever uses the first rank of a host prepares for all of that host's. Collective.
  public func ready(_ found: Dataset, _ patients: [Int], onBad rule: BadImageRule) throws -> Dataset {
    let location = CacheLocation(found, preparation, choice)
    let before = location.flatMap { PairCache.find($0, preparation, for: found, say: progress.say) }
    // What a cache holds was decoded when it was made.
    let own = patients.filter { before?.holds(found.patients[$0]) != true }
    let unknown = try Set(communicator.gather(own)).sorted()
    let dataset = try preflight(
      found, communicator, patients: unknown, workers: workers, onBad: rule, say: progress.say)
    let wanted = Set(patients.map { found.patients[$0].id })
    guard let location else { return dataset }
    let needed = dataset.patients.filter { wanted.contains($0.id) }
    let isComplete = needed.allSatisfy { before?.holds($0) == true }
    let isFirstOfHost = communicator.hosts.firstIndex(of: communicator.host) == communicator.rank
    let prepares = isFirstOfHost && !isComplete
    let (made, note) = try communicator.together { prepares ? try prepare(dataset, at: location, before) : (nil, nil) }
    for note in try Set(communicator.gather([note].compactMap { $0 })).sorted() { progress.say(note) }
    let cache =
      isComplete ? before : made ?? PairCache.find(location, preparation, for: dataset) { _ in }
    if let cache { progress.say("pairs come from \(cache.folder)") }
    // Hosts may have made theirs with different libraries.
    let digest = cache?.digest(needed) ?? ""
    if try !communicator.allGather(Data(digest.utf8)).contains(where: \.isEmpty) {
      try communicator.requireSame(["prepared pixels' checksum": digest], .data)
    }
    let result = dataset.cached(in: cache)
    // One rank is enough to tell.
    if communicator.rank == 0 { result.repeatWarnings() }
    return result
  }

  /// Makes the cache on this rank. Beside the data that may be impossible, which is said and no reason to stop.
  private func prepare(_ dataset: Dataset, at location: CacheLocation, _ before: PairCache?) throws -> (
    cache: PairCache?, note: String?
  ) {
    if let reason = before?.missing { progress.say("\(location.folder) is made anew: \(reason)") }
    let count = dataset.patients.count
    progress.say("preparing \(count) pairs: \(location.folder)")
    let meter = progress.meter(of: count, "pairs")
    let writer = CacheWriter(location, preparation, workers: workers) { Signals.isStopRequested }
    do {
      let cache = try communicator.whereabouts.during(.preparing) {
        try writer.cache(of: dataset, say: progress.say) { meter.done($0) }
      }
      progress.say("prepared \(count) pairs in \(meter.summary)")
      return (cache, nil)
    } catch let failure as Failure where failure.kind == .stopped {
      // Whoever asked for a stop gets a checkpoint first, from photographs if need be.
      return (nil, nil)
    } catch let failure as Failure where !isRequired && [.output, .inputOutput].contains(failure.kind) {
      let place = communicator.size == 1 ? "" : "\(communicator.host): "
      return (nil, "\(place)\(failure.message); photographs are decoded every time (--cache DIR names another place)")
    }
  }
}
