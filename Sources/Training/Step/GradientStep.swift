import Foundation

/// One step of training on this rank: its micro-batches -> gradients -> sums over all ranks -> optimizer. Every rank takes it at
/// the same time.
final class GradientStep {
  /// What a step came to, the same on all ranks but for the times.
  struct Outcome {
    let losses: StepLosses
    /// The norm of the gradients; not a number where a loss or a gradient is not finite.
    let norm: Double
    /// Whether the step left no trace, since something was not finite.
    let isSkipped: Bool
    /// Whether a rank was asked to stop.
    let isStopRequested: Bool
    let times: StepTimes
  }

  /// The optimizer.
  let optimizer: Optimizer
  private let options: Options
  private let communicator: any Communicator
  /// Where programs wait for one another, if norms are over the whole step.
  private let meeting: StepMeeting?
  private let runner: StepRunner
  /// Where the step's gradients are summed.
  let reducer: GradientReducer
  private let totals: StepTotals
  private let shards: Shards
  private let dump: BatchDump?

  /// Sets steps up; the largest program is compiled here, so that what does not fit into memory is said before a file is written.
  init(
    _ options: Options, _ replica: Replica, _ communicator: any Communicator, _ meeting: StepMeeting?,
    largest plan: StepPlan
  ) throws {
    (self.options, self.communicator, self.meeting) = (options, communicator, meeting)
    dump = BatchDump(options)
    runner = StepRunner(replica, seed: options.seed)
    if let meeting {
      try meeting.prepare(replica, plan)
    } else if let largest = plan.microBatches.map(\.count).max() {
      _ = try replica.training(pairs: largest)
    }
    reducer = try GradientReducer(
      replica.variables, communicator, team: replica.team, bucketBytes: options.bucket << 20,
      wire: options.wire, isSharded: options.shardOptimizer && communicator.size > 1)
    totals = try StepTotals(replica.variables, communicator, team: replica.team)
    shards = try Shards(reducer.buckets, communicator, isWanted: options.shardOptimizer)
    optimizer = try Optimizer(options, replica, shards)
  }

  /// Takes step number `number`, at `rate`, on batches of `loader`, which yields this rank's micro-batches in order. `prelude` runs
  /// first; where it or anything else fails on any rank, all throw.
  func take(_ plan: StepPlan, number: Int, rate: Float, _ loader: Loader, prelude: () throws -> Void) throws -> Outcome
  {
    var times = StepTimes()
    let batches = try meeting.map { try prepare(plan, loader, $0, prelude) }
    reducer.begin(plan)
    totals.begin(plan)
    let result = Result {
      if let meeting, let batches { return try runTogether(plan, batches, meeting, number, &times) }
      try prelude()
      return try runMicroBatches(plan, loader, number, &times)
    }
    times.expose(communication: meeting?.seconds ?? 0)
    communicator.whereabouts.worked(
      seconds: times[.data] + times[.compute], microBatches: plan.shares[communicator.rank].count)
    if case .failure = result {
      reducer.giveUp()
      totals.giveUp()
    } else if meeting != nil {
      reducer.release()
    }
    let isEager = !optimizer.needsNorm
    if isEager { optimizer.begin(rate: rate, norm: nil) }
    for (index, bucket) in reducer.buckets.enumerated() where isEager {
      try reducer.wait(for: index)
      times.lap(.exposedCommunication)
      move(index, bucket)
      times.lap(.update)
    }
    try reducer.wait()
    // One thread at a time talks to other ranks.
    if isEager, shards.isSharded { try reducer.waitForWeights() }
    let losses = try totals.reduce()
    times.lap(.exposedCommunication)
    let isStopRequested = try agree(result, &times)
    let norm = losses.total.isFinite ? try optimizer.gradientNorm() : .nan
    let isFinite = norm.isFinite
    if !isFinite, options.onNonfinite == .stop { try failNotFinite(number) }
    if isFinite, !isEager {
      optimizer.begin(rate: rate, norm: norm)
      for (index, bucket) in reducer.buckets.enumerated() { move(index, bucket) }
    }
    times.lap(.update)
    if isFinite, !isEager, shards.isSharded { try reducer.waitForWeights() }
    times.lap(.exposedCommunication)
    totals.settle(isSkipped: !isFinite)
    times.hide(communication: reducer.busySeconds + (meeting?.seconds ?? 0))
    return Outcome(
      losses: losses, norm: norm, isSkipped: !isFinite, isStopRequested: isStopRequested, times: times)
  }

  private func move(_ index: Int, _ bucket: Range<Int>) {
    optimizer.move(bucket)
    if shards.isSharded { reducer.gatherWeights(of: index) }
  }

  /// What this rank needs for its micro-batches that run side by side. They wait for the other ranks' too, so all hear of a failure before
  /// one runs.
  private func prepare(
    _ plan: StepPlan, _ loader: Loader, _ meeting: StepMeeting, _ prelude: () throws -> Void
  ) throws -> [Batch] {
    try communicator.together {
      try prelude()
      try meeting.prepare(runner.replica, plan)
      return try plan.shares[communicator.rank].map { _ in try next(loader) }
    }
  }

  private func next(_ loader: Loader) throws -> Batch {
    guard let batch = try communicator.whereabouts.during(.loading, loader.next) else {
      throw Failure(.run, "the loader ended before the run")
    }
    return batch
  }

  /// Forward and backward over this rank's micro-batches, one after the other; buckets travel behind the last.
  private func runMicroBatches(
    _ plan: StepPlan, _ loader: Loader, _ number: Int, _ times: inout StepTimes
  ) throws {
    let own = plan.shares[communicator.rank]
    for leaf in own {
      let batch = try next(loader)
      times.lap(.data)
      try dump?.write(batch, step: number, part: leaf, of: options.preparation)
      let isLast = leaf == own.upperBound - 1
      totals.prepare()
      let losses = try runner.run(batch, pairs: plan.pairs, accumulates: reducer.expect(leaf)) {
        isLast ? reducer.listener($0) : nil
      }
      try take(leaf, losses, plan, number)
      times.lap(.compute)
    }
  }

  /// The same side by side, with norms over the whole step.
  private func runTogether(
    _ plan: StepPlan, _ batches: [Batch], _ meeting: StepMeeting, _ number: Int, _ times: inout StepTimes
  ) throws {
    times.lap(.data)
    let own = plan.shares[communicator.rank]
    for (batch, leaf) in zip(batches, own) { try dump?.write(batch, step: number, part: leaf, of: options.preparation) }
    totals.prepare()
    let losses = try runner.run(batches, plan, meeting)
    for (seat, leaf) in own.enumerated() {
      try reducer.take(leaf, runner.replica.gradients(seat: seat))
      try take(leaf, losses[seat], plan, number)
    }
    times.lap(.compute)
  }

  /// Takes in what micro-batch `leaf` came to.
  private func take(_ leaf: Int, _ losses: StepLosses, _ plan: StepPlan, _ number: Int) throws {
    guard losses.total.isFinite || options.onNonfinite == .skip else {
      throw Failure(.run, "step \(number): the loss is not finite")
    }
    try totals.add(leaf, losses, share: Float(plan.microBatches[leaf].count) / Float(plan.pairs))
  }

  /// What became of every rank's part of the step: an error of any ends the run on all. Returns whether any rank was asked to stop.
  private func agree(_ result: Result<Void, any Error>, _ times: inout StepTimes) throws -> Bool {
    var failure: Failure?
    if case .failure(let error) = result { failure = Failure(error) }
    let own = [failure == nil ? 0 : 1, Signals.isStopRequested ? 1 : 0, times[.compute]]
    let all = try communicator.allGather(own.withUnsafeBytes { Data($0) }).map { data in
      data.withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
    }
    times.imbalance = (all.map { $0[2] }.max() ?? 0) - all.reduce(0) { $0 + $1[2] } / Double(all.count)
    if all.contains(where: { $0[0] > 0 }) { try communicator.agree(on: failure) }
    return all.contains { $0[1] > 0 }
  }

  /// Ends the run, naming the first tensor whose gradient is not finite.
  private func failNotFinite(_ number: Int) throws {
    let variables = runner.replica.variables
    let gradients = variables.gradients
    let ranges = shards.isSharded ? shards.slices : [gradients.indices]
    let own = variables.gradientRanges.first { tensor in
      ranges.contains { range in tensor.range.clamped(to: range).contains { !gradients[$0].isFinite } }
    }
    let tensor = own.map { "the gradient of \(variables.list[$0.index].name)" }
    let failure = Failure(.run, "step \(number): \(tensor ?? "the sum of the gradients' squares") is not finite")
    if shards.isSharded { try communicator.agree(on: tensor == nil ? nil : failure) }
    throw Agreed(failure: failure)
  }
}
