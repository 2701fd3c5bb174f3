/// The small sums over a step's micro-batches, losses and moves of running statistics, taken in the order of the tree.
final class StepTotals {
  private let statistics: RunningStatistics
  private let storage: Storage
  private let sums: PartialSums
  private let reduction: TreeReduction

  init(_ variables: Variables, _ communicator: any Communicator, team: ThreadTeam) throws {
    statistics = RunningStatistics(variables)
    storage = try Storage(byteCount: 4 * (StepLosses.names.count + statistics.count))
    sums = PartialSums(storage.floats, team: team)
    reduction = try TreeReduction(communicator, of: .losses)
  }

  private var moves: UnsafeMutablePointer<Float> { sums.array + StepLosses.names.count }

  /// A new step.
  func begin(_ plan: StepPlan) {
    statistics.remember()
    sums.begin(plan.tree)
    reduction.begin(plan.tree, shares: plan.shares)
  }

  /// To be called before a micro-batch runs.
  func prepare() { statistics.rewind() }

  /// Takes in what micro-batch `leaf`, which has `share` of the step's pairs, came to.
  func add(_ leaf: Int, _ losses: StepLosses, share: Float) throws {
    let adds = try sums.expect(leaf)
    for (index, value) in losses.values.enumerated() {
      sums.array[index] = adds ? sums.array[index] + value : value
    }
    statistics.takeMoves(share: share, into: moves, adds: adds)
  }

  /// This rank has failed: what the others get in place of its sums is of no use, but they get it.
  func giveUp() { sums.giveUp(reduction.parts) }

  /// The losses of the whole step. Collective.
  func reduce() throws -> StepLosses {
    sums.joinLast()
    let all = 0..<sums.count
    try reduction.reduceScatter(all, sums)
    try reduction.allGather(all, sums.array)
    return StepLosses(values: (0..<StepLosses.names.count).map { sums.array[$0] })
  }

  /// Moves the running statistics by what the step came to, or leaves no trace of it.
  func settle(isSkipped: Bool) {
    if isSkipped { statistics.rewind() } else { statistics.apply(moves) }
  }
}
