import Foundation

extension Loader {
  /// The micro-batches of rank `rank` of `ranks`, from a place in the run on: step `start.position` of epoch `start.epoch`. `epochs`:
  /// where the run ends.
  convenience init(
    _ dataset: Dataset, _ options: Options, _ sampler: Sampler, for rank: Int, of ranks: Int,
    from start: (epoch: Int, position: Int), epochs: Int
  ) {
    // This rank's micro-batches of an epoch: positions and the step they belong to.
    let own = (0..<sampler.stepsPerEpoch).flatMap { step in
      let plan = StepPlan(sampler, step: step, ranks: ranks)
      return plan.shares[rank].map { (step: step, positions: plan.microBatches[$0]) }
    }
    let (first, done) = (start.epoch, own.count { $0.step < start.position })
    // The order of an epoch is drawn once, when the loader first comes to it.
    let orders = EpochOrders(sampler)
    self.init(
      dataset, options.preparation, augmentation: options.augmentation(partners: sampler.patients),
      workers: options.workers
    ) { index in
      guard !own.isEmpty else { return nil }
      let (epoch, place) = (first + (done + index) / own.count, (done + index) % own.count)
      guard epoch < epochs else { return nil }
      let order = orders[epoch]
      return own[place].positions.map { Example(patient: order[$0], epoch: epoch, position: $0) }
    }
  }
}

/// The orders of epochs, the newest two kept.
private final class EpochOrders: @unchecked Sendable {
  // Unchecked: only touched under `lock`.
  private let sampler: Sampler
  private let lock = NSLock()
  private var known: [(epoch: Int, order: [Int])] = []

  init(_ sampler: Sampler) { self.sampler = sampler }

  subscript(epoch: Int) -> [Int] {
    lock.withLock {
      if let found = known.first(where: { $0.epoch == epoch }) { return found.order }
      let order = sampler.order(epoch: epoch)
      known = known.suffix(1) + [(epoch, order)]
      return order
    }
  }
}
