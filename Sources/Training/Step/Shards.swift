/// Which part of arrays like the weights this rank keeps: all of them, or where the optimizer is sharded its slices (ZeRO, stage 1:
/// Rajbhandari et al. 2020).
///
/// Memory that nobody touches takes none, so arrays are mapped whole and a rank touches its slices only.
struct Shards {
  let communicator: any Communicator
  let isSharded: Bool
  /// The ranges of the arrays that travel at once.
  private let buckets: [Range<Int>]
  private let reduction: TreeReduction

  /// Shards of arrays that travel in `buckets`; one rank keeps everything.
  init(_ buckets: [Range<Int>], _ communicator: any Communicator, isWanted: Bool) throws {
    (self.communicator, self.buckets) = (communicator, buckets)
    isSharded = isWanted && communicator.size > 1
    reduction = try TreeReduction(communicator, of: .average)
  }

  /// This rank's slices.
  var slices: [Range<Int>] { slices(of: communicator.rank) }

  private func slices(of rank: Int) -> [Range<Int>] {
    buckets.map { Buckets.slices($0, ranks: communicator.size)[rank] }
  }

  /// Sets what this rank keeps of `state` from `whole`.
  func keep(_ state: Storage, from whole: UnsafeMutableBufferPointer<Float>) {
    guard let source = whole.baseAddress, let target = state.floats.baseAddress else { return }
    let all = 0..<min(whole.count, state.floats.count)
    for range in isSharded ? slices : [all] {
      (target + range.lowerBound).update(from: source + range.lowerBound, count: range.count)
    }
  }

  /// Adds up what each rank knows of `sums`, which are 0 where another rank knows them.
  func complete(_ sums: UnsafeMutableBufferPointer<Double>) throws {
    if isSharded { try communicator.sum(sums) }
  }

  /// All of `state`, on every rank: `state` itself where nothing is sharded. Collective.
  func gathered(_ state: Storage) throws -> Storage {
    guard isSharded else { return state }
    let whole = try communicator.together { try Storage(byteCount: state.byteCount) }
    keep(whole, from: state.floats)
    guard let values = whole.floats.baseAddress else { return whole }
    for (number, bucket) in buckets.enumerated() { try reduction.allGather(bucket, number: number, values) }
    return whole
  }

  /// A copy of all of `state` on rank 0; nil on the others. Collective.
  func copyOnFirst(_ state: Storage) throws -> Storage? {
    let whole = try communicator.onFirst { try Storage(byteCount: state.byteCount) } ?? nil
    if let whole { keep(whole, from: state.floats) }
    guard isSharded, let own = state.floats.baseAddress else { return whole }
    let exchange =
      whole?.floats.baseAddress.map { values in
        Exchange(
          [],
          (1..<communicator.size).flatMap { rank in
            slices(of: rank).map { Message(rank, values + $0.lowerBound, $0.count) }
          })
      } ?? Exchange(slices.map { Message(0, own + $0.lowerBound, $0.count) })
    try communicator.exchange(
      exchange, Urgency(), for: Collective(.exchange, of: .optimizerState, size: state.floats.count))
    return whole
  }
}
