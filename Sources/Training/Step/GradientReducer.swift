import Foundation

/// Sums a step's gradients over its micro-batches, on this rank and over all, in the order of the tree. Buckets travel on a thread
/// of their own while the backward pass of this rank's last micro-batch goes on.
package final class GradientReducer {
  /// The ranges of the gradient array that travel at once.
  package let buckets: [Range<Int>]

  private let variables: Variables
  private let sums: PartialSums
  private let reduction: TreeReduction
  /// Job i < number of buckets reduces bucket i, and the jobs after these gather the weights of each bucket. None for one rank.
  private let jobs: BackgroundJobs?
  private let tensors: [(index: Int, range: Range<Int>)]
  private var isJoined = false
  /// When the step began and when each bucket became ready to travel, in nanoseconds of the system's uptime.
  private var beginning: UInt64 = 0
  private var readiness: [UInt64] = []
  private let whereabouts: Whereabouts
  /// Whether the step waits for what is under way.
  private let urgency = Urgency(false)

  /// A reducer of the gradients in `variables`.
  /// - Parameters:
  ///   - bucketBytes: what a bucket holds at most, where tensors allow it.
  ///   - wire: how gradients travel; weights travel as they are.
  ///   - isSharded: each rank needs the sums of its slices only, and `gatherWeights` is called once these have moved its weights.
  package init(
    _ variables: Variables, _ communicator: any Communicator, team: ThreadTeam, bucketBytes: Int, wire: Wire,
    isSharded: Bool
  ) throws {
    (self.variables, whereabouts) = (variables, communicator.whereabouts)
    tensors = variables.gradientRanges
    let buckets = Buckets(
      count: variables.gradientCount, tensors: tensors.map(\.range), capacity: bucketBytes
    ).ranges
    self.buckets = buckets
    let sums = PartialSums(variables.gradients, team: team)
    let reduction = try TreeReduction(communicator, of: .gradients, wire: wire, urgency: urgency)
    (self.sums, self.reduction) = (sums, reduction)
    guard communicator.size > 1 else {
      jobs = nil
      return
    }
    let work = Work(
      buckets: buckets, sums: sums, reduction: reduction, gathering: try TreeReduction(communicator, of: .weights),
      weights: variables.weights, isSharded: isSharded)
    jobs = BackgroundJobs("all-reduce") { try work.run($0) }
  }

  deinit { jobs?.stop() }

  /// What the thread works on.
  private struct Work: @unchecked Sendable {
    // Unchecked: the thread works on a bucket when it is released, and nobody else until it is done.
    let buckets: [Range<Int>]
    let sums: PartialSums
    let reduction: TreeReduction
    /// Of weights, which must not be rounded.
    let gathering: TreeReduction
    let weights: UnsafeMutableBufferPointer<Float>
    let isSharded: Bool

    func run(_ job: Int) throws {
      if job < buckets.count {
        sums.joinLast(buckets[job])
        try reduction.reduceScatter(buckets[job], number: job, sums)
        if !isSharded { try reduction.allGather(buckets[job], number: job, sums.array) }
      } else if let weights = weights.baseAddress {
        let number = job - buckets.count
        try gathering.allGather(buckets[number], number: number, weights)
      }
    }
  }

  /// A new step.
  package func begin(_ plan: StepPlan) {
    isJoined = false
    beginning = DispatchTime.now().uptimeNanoseconds
    readiness.removeAll(keepingCapacity: true)
    urgency.set(false)
    sums.begin(plan.tree)
    reduction.begin(plan.tree, shares: plan.shares)
    jobs?.restart()
    // A rank without micro-batches has nothing to wait for.
    if reduction.parts.isEmpty { release(upTo: buckets.count) }
  }

  /// Says that micro-batch `leaf`, the next of this rank's, is about to run. Returns whether its gradients are to be added to those
  /// that are there.
  package func expect(_ leaf: Int) throws -> Bool { try sums.expect(leaf) }

  /// Takes in the gradients of micro-batch `leaf`, the next of this rank's, which lie in an array of their own.
  package func take(_ leaf: Int, _ gradients: Storage) throws {
    try sums.take(leaf, from: gradients.base.assumingMemoryBound(to: Float.self))
  }

  /// What is to hear of the steps of `program`, which runs this rank's last micro-batch: it lets buckets travel.
  package func listener(_ program: Program) -> ((Int) -> Void)? {
    let ready = ready(program)
    var next = 0
    return { [self] step in
      guard next < ready.count, ready[next] <= step else { return }
      while next < ready.count, ready[next] <= step { next += 1 }
      release(upTo: next)
    }
  }

  private func release(upTo count: Int) {
    let now = DispatchTime.now().uptimeNanoseconds
    while readiness.count < count { readiness.append(now) }
    jobs?.release(upTo: count)
  }

  /// The step of `program` after which each bucket is final, and with it all buckets before.
  private func ready(_ program: Program) -> [Int] {
    var latest = 0
    var tensors = tensors[...]
    return buckets.map { bucket in
      while let tensor = tensors.first, tensor.range.lowerBound < bucket.upperBound {
        latest = max(latest, program.gradientSteps[tensor.index] ?? 0)
        tensors = tensors.dropFirst()
      }
      return latest
    }
  }

  /// Lets all buckets travel: this rank's micro-batches are done.
  package func release() { release(upTo: buckets.count) }

  /// This rank has failed: the others get something in place of its gradients, so that all hear of it.
  package func giveUp() {
    sums.giveUp(reduction.parts)
    release(upTo: buckets.count)
  }

  /// Waits until buckets up to number `bucket` are sums over the whole step: everywhere, or where sharded in this rank's slices.
  package func wait(for bucket: Int) throws {
    urgency.set(true)
    if let jobs { return try whereabouts.during(.waiting) { try jobs.wait(for: bucket + 1) } }
    if !isJoined { sums.joinLast() }
    isJoined = true
  }

  /// Waits for all buckets.
  package func wait() throws { try wait(for: buckets.count - 1) }

  /// Where sharded: this rank's weights of bucket number `bucket`, and of those before, are to go to the others.
  func gatherWeights(of bucket: Int) { jobs?.release(upTo: buckets.count + bucket + 1) }

  /// Where sharded: waits until all weights are there.
  func waitForWeights() throws { try whereabouts.during(.waiting) { try jobs?.wait(for: 2 * buckets.count) } }

  /// Seconds that this step's communication took, hidden or not.
  var busySeconds: Double { jobs?.busySeconds ?? 0 }

  /// When each bucket of the newest step was ready to travel, set off and had arrived, in seconds from the step's beginning; on one
  /// rank, where none travels, all three are when it was ready. To be called when the step is done.
  var timeline: [BucketTimes] {
    let spans = jobs?.spans ?? []
    func seconds(_ time: UInt64) -> Double { Double(Int64(bitPattern: time &- beginning)) / 1e9 }
    return readiness.enumerated().map { index, ready in
      let span = index < spans.count ? spans[index] : ready..<ready
      return BucketTimes(
        bytes: 4 * buckets[index].count, ready: seconds(ready), began: seconds(span.lowerBound),
        ended: seconds(span.upperBound))
    }
  }
}

/// When a bucket of a step travelled, in seconds from the step's beginning.
package struct BucketTimes {
  /// What it holds.
  package let bytes: Int
  /// When its gradients were final on this rank.
  package let ready: Double
  /// When this rank's thread turned to it.
  package let began: Double
  /// When it was the sum over all ranks.
  package let ended: Double
}
