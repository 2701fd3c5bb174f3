import Communication

/// What more hosts would do, or the same ones on another network, computed from a place that was measured.
///
/// A step is taken as it was measured, but for what depends on hosts and network: how long each rank computes before its last
/// micro-batch is done, when buckets are ready, how long each travels behind the one before, and what it takes from computing on its way
/// where the network holds it back more than the measured one. What the measured step waited for beyond that stays in it. Not foreseen:
/// that more ranks have a slower slowest one, and links that others use too.
package struct Projection: Codable, Sendable {
  /// So many hosts.
  package struct Row: Codable, Sendable {
    package let hosts, ranks: Int
    /// Pairs of a step.
    package let pairs: Int
    package let stepSeconds: Double
    /// Of the step's, those spent waiting for what travels.
    package let exposedSeconds: Double
    package let pairsPerSecond: Double
    /// Pairs a second and host, of what was measured.
    package let efficiency: Double
  }

  /// The rule for the pairs of a step.
  package let kind: ScalingPoint.Series
  package let network: Network
  /// What was measured.
  package let measuredHosts, measuredRanks: Int
  package let measuredStepSeconds: Double
  package let rows: [Row]

  /// From the rounds of one place to each of `hosts`, with as many ranks a host. Left out: numbers of hosts that a step has no
  /// micro-batch for.
  package init(of place: [ScalingPoint], to hosts: [Int], over network: Network) {
    let point = place[0]
    (kind, self.network, measuredHosts, measuredRanks) = (point.series, network, point.hostCount, point.ranks)
    let seconds = median(place.map(\.seconds))
    measuredStepSeconds = seconds
    let base = MeasuredStep(place)
    let rate = Double(point.pairs) / seconds / Double(point.hostCount)
    rows = hosts.compactMap { hosts in
      let ranks = hosts * point.ranks / point.hostCount
      guard ranks > 0 else { return nil }
      let pairs = point.series == .weak ? point.pairs * ranks / point.ranks : point.pairs
      guard let step = base.step(ranks: ranks, ranksPerHost: max(1, ranks / hosts), pairs: pairs, over: network) else {
        return nil
      }
      return Row(
        hosts: hosts, ranks: ranks, pairs: pairs, stepSeconds: step.seconds, exposedSeconds: step.exposed,
        pairsPerSecond: Double(pairs) / step.seconds,
        efficiency: Double(pairs) / step.seconds / Double(hosts) / rate)
    }
  }
}

/// A measured place as the projection needs it.
struct MeasuredStep {
  private let point: ScalingPoint
  private let seconds: Double
  /// When each bucket is ready, in order, and its floats.
  private let buckets: [(ready: Double, count: Int)]
  private let update: Double
  /// Seconds of one of a rank's micro-batches.
  private let microBatchSeconds: Double

  init(_ place: [ScalingPoint]) {
    let point = place[0]
    self.point = point
    seconds = median(place.map(\.seconds))
    buckets = point.buckets.indices.map { index in
      (median(place.map { $0.buckets[index].readySeconds }), point.buckets[index].bytes / 4)
    }
    update = median(place.map(\.shares.update))
    microBatchSeconds =
      median(place.map { $0.shares.compute + $0.shares.data })
      / Double(Self.most(microBatches: Self.microBatches(point.pairs, point.microBatch), ranks: point.ranks))
  }

  private static func microBatches(_ pairs: Int, _ size: Int) -> Int { (pairs + size - 1) / size }

  /// Micro-batches of the rank that has most.
  private static func most(microBatches: Int, ranks: Int) -> Int { (microBatches + ranks - 1) / ranks }

  /// How many partial sums each host has to give, once its ranks have added up theirs.
  private static func parts(_ microBatches: Int, hosts: Int) -> [Int] {
    let tree = ReductionTree(leaves: microBatches)
    return (0..<hosts).map {
      tree.parts(of: microBatches * $0 / hosts..<microBatches * ($0 + 1) / hosts).count
    }
  }

  /// A step of `pairs` pairs on so many ranks, and what of it is waiting for what travels; nil where ranks would have nothing to do.
  func step(ranks: Int, ranksPerHost: Int, pairs: Int, over network: Network) -> (seconds: Double, exposed: Double)? {
    let own = Self.microBatches(point.pairs, point.microBatch)
    let count = Self.microBatches(pairs, point.microBatch)
    guard count >= ranks else { return nil }
    let longer =
      Double(Self.most(microBatches: count, ranks: ranks) - Self.most(microBatches: own, ranks: point.ranks))
      * microBatchSeconds
    let hosts = max(1, ranks / ranksPerHost)
    let parts = Self.parts(count, hosts: hosts)
    let coresPerHost = Double(point.processors) / Double(point.hostCount)
    let then = ending(later: longer) { floats in
      // More hosts are more peers of each rank, one on each.
      let messages = messageSeconds * Double(2 * max(0, hosts - point.hostCount))
      let measured = measured(floats, ranks: ranks)
      guard ranks > ranksPerHost else { return Travel(seconds: measured + messages) }
      let traffic = LinkTraffic(
        count: floats, parts: parts, ranksPerHost: ranksPerHost, floatBytes: point.wireBytes)
      let link = traffic.seconds(over: network)
      guard link > measured else { return Travel(seconds: measured + messages) }
      let taken = network.coreSecondsPerGigabit * traffic.gigabits / coresPerHost
      return Travel(seconds: link + messages, fromComputing: taken * (1 - measured / link))
    }
    let before = ending(later: 0) { Travel(seconds: measured($0, ranks: point.ranks)) }
    // Small sums and what is agreed on at the end: two exchanges and two gatherings, whose way grows with the logarithm.
    let rounds = 2.0 + 2 * Double(Int.bitWidth - max(0, ranks - 1).leadingZeroBitCount)
    let end = ranks > ranksPerHost ? rounds * network.latencySeconds : 0
    return (seconds + longer + then.taken + then.waiting - before.waiting + end, then.waiting + end)
  }

  /// A bucket's way.
  private struct Travel {
    let seconds: Double
    /// Seconds by which it makes computing longer that goes on all the while.
    var fromComputing = 0.0
  }

  /// How a step ends whose backward pass is done `longer` later than measured: what buckets on their way take from its computing, and the
  /// seconds between the pass's end and the weights' move, beyond the move itself; `travel`: of a bucket of so many floats.
  private func ending(later longer: Double, _ travel: (Int) -> Travel) -> (taken: Double, waiting: Double) {
    guard let last = buckets.last else { return (0, 0) }
    var (arrivals, taken) = ([0.0], 0.0)
    for bucket in buckets {
      let (begin, travel) = (max(arrivals.last ?? 0, bucket.ready + longer + taken), travel(bucket.count))
      let beside = min(travel.seconds, max(0, last.ready + longer + taken - begin))
      if travel.seconds > 0 { taken += travel.fromComputing * beside / travel.seconds }
      arrivals.append(begin + travel.seconds)
    }
    let computed = last.ready + longer + taken
    guard point.isEager else { return (taken, max(0, (arrivals.last ?? 0) - computed)) }
    let all = max(1, buckets.reduce(0) { $0 + $1.count })
    var time = computed
    for (bucket, arrival) in zip(buckets, arrivals.dropFirst()) {
      time = max(time, arrival) + update * Double(bucket.count) / Double(all)
    }
    return (taken, time - update - computed)
  }

  /// The measured all-reduce of so many floats, between the arrays that were measured by a straight line; on other numbers of ranks the
  /// traffic of each differs.
  private func measured(_ floats: Int, ranks: Int) -> Double {
    let samples = point.allReduce
    guard let first = samples.first, let last = samples.last, point.ranks > 1 else { return 0 }
    func share(_ ranks: Int) -> Double { Double(ranks - 1) / Double(ranks) }
    let scale = share(ranks) / share(point.ranks)
    let bytes = Double(4 * floats)
    guard let index = samples.firstIndex(where: { Double($0.bytes) >= bytes }) else {
      return last.seconds * bytes / Double(last.bytes) * scale
    }
    guard index > 0 else { return first.seconds * scale }
    let (a, b) = (samples[index - 1], samples[index])
    let part = (bytes - Double(a.bytes)) / Double(b.bytes - a.bytes)
    return (a.seconds + part * (b.seconds - a.seconds)) * scale
  }

  /// What another peer costs an exchange at least: the smallest all-reduce, by its messages.
  private var messageSeconds: Double {
    guard point.ranks > 1, let first = point.allReduce.first else { return 0 }
    return first.seconds / Double(2 * (point.ranks - 1))
  }
}
