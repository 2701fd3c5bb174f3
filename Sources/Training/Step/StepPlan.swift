/// Which pairs a step takes, cut into micro-batches, and who computes which: all of it follows from the step's place in the epoch.
package struct StepPlan {
  /// The positions in the epoch of each micro-batch.
  package let microBatches: [Range<Int>]
  /// The micro-batches of each rank, in the order of ranks.
  package let shares: [Range<Int>]
  /// The order in which sums over the micro-batches are taken.
  package let tree: ReductionTree

  /// Step `step` of an epoch of `sampler`'s, on `ranks` ranks.
  package init(_ sampler: Sampler, step: Int, ranks: Int) {
    microBatches = sampler.microBatches(step: step)
    shares = Sampler.shares(microBatches.count, ranks: ranks)
    tree = ReductionTree(leaves: microBatches.count)
  }

  /// The pairs of the whole step.
  package var pairs: Int { microBatches.reduce(0) { $0 + $1.count } }
}
