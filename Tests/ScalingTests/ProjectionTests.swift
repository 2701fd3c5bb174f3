import Communication
import Foundation
import Scaling
import Testing

/// A rank that notes what it sends in exchanges.
private final class CountingRank: ForwardingCommunicator {
  struct Sent {
    let operation: Collective.Operation
    let from, to: String
    let bytes: Int
  }

  let base: any Communicator
  private(set) var sent: [Sent] = []

  init(_ base: any Communicator) { self.base = base }

  func exchange(
    _ exchange: Exchange, _ urgency: Urgency, for purpose: Collective, arrived: (Int) -> Void
  ) throws {
    for message in exchange.sends {
      sent.append(
        Sent(operation: purpose.operation, from: host, to: hosts[message.peer], bytes: message.bytes.count))
    }
    try base.exchange(exchange, urgency, for: purpose, arrived: arrived)
  }
}

struct ProjectionTests {
  /// What the busiest link of a host carries one way is what ranks really send to other hosts and receive from them.
  @Test(arguments: 0..<30)
  func trafficIsWhatTheRanksSend(_ seed: Int) throws {
    var stream = CounterRandom(seed: UInt64(seed)).stream(.test)
    let (ranksPerHost, hosts) = (1 + stream.below(3), 1 + stream.below(4))
    let ranks = ranksPerHost * hosts
    let leaves = ranks + stream.below(12)
    let count = 1 + stream.below(60_000)
    let tree = ReductionTree(leaves: leaves)
    let shares = (0..<ranks).map { leaves * $0 / ranks..<leaves * ($0 + 1) / ranks }
    let sent = try ThreadRanks.run(ranks, hosts: (0..<ranks).map { "host\($0 / ranksPerHost)" }) { communicator in
      let counting = CountingRank(communicator)
      let storage = try Storage(byteCount: count * 4)
      let sums = PartialSums(
        UnsafeMutableBufferPointer(rebasing: storage.floats[..<count]), team: try ThreadTeam(count: 1))
      let reduction = try TreeReduction(counting, of: .gradients)
      sums.begin(tree)
      reduction.begin(tree, shares: shares)
      for leaf in shares[communicator.rank] { _ = try sums.expect(leaf) }
      sums.joinLast(0..<count)
      try reduction.reduceScatter(0..<count, sums)
      try reduction.allGather(0..<count, sums.array)
      return counting.sent
    }.map { try $0.get() }
    func busiest(_ operation: Collective.Operation) -> Int {
      let messages = sent.flatMap { $0 }.filter { $0.operation == operation }
      return (0..<hosts).flatMap { host in
        [messages.filter { $0.from == "host\(host)" }, messages.filter { $0.to == "host\(host)" }]
          .map { $0.filter { $0.from != $0.to }.reduce(0) { $0 + $1.bytes } }
      }.max() ?? 0
    }
    let parts = (0..<hosts).map { tree.parts(of: leaves * $0 / hosts..<leaves * ($0 + 1) / hosts).count }
    let traffic = LinkTraffic(count: count, parts: parts, ranksPerHost: ranksPerHost, floatBytes: 4)
    #expect(
      traffic.scatter == busiest(.reduceScatter) && traffic.gather == busiest(.allGather),
      "seed \(seed): \(hosts) hosts of \(ranksPerHost) ranks, \(count) floats, \(leaves) micro-batches")
  }

  /// Two hosts of one rank: 1 s forward and backward, two buckets that are ready at 0.5 and 1 s.
  private func measured(pairs: Int = 8, eager: Bool = false) -> ScalingPoint {
    var point = ScalingPoint()
    (point.ranks, point.hosts, point.pairs, point.microBatch) = (2, ["a", "b"], pairs, 4)
    point.processors = 2
    point.stepSeconds = [1.2]
    (point.shares.compute, point.shares.update, point.isEager) = (1, 0.1, eager)
    point.buckets = [0.5, 1].map { ready in
      var bucket = ScalingPoint.Bucket()
      (bucket.bytes, bucket.readySeconds) = (4 * 4096 * 1000, ready)
      return bucket
    }
    point.allReduce = [.init(bytes: 1, seconds: 0), .init(bytes: 4 * 4096 * 1000, seconds: 0)]
    return point
  }

  /// Bytes that each of two hosts sends and receives of one bucket.
  private let bytes = Double(4 * 4096 * 1000)

  /// Over a network that each bucket needs so long for, and of whose way it takes so much from computing.
  private func project(
    _ point: ScalingPoint, hosts: Int, seconds perBucket: Double, taking taken: Double = 0
  ) throws -> Projection.Row {
    let gigabits = bytes * 8 / 1e9
    let network = Network(
      latencySeconds: 0, gigabitsPerSecond: gigabits / perBucket, share: 1, coreSecondsPerGigabit: taken / gigabits)
    return try #require(Projection(of: [point], to: [hosts], over: network).rows.first)
  }

  @Test func theSameHostsOnAQuickNetworkDoAsMeasured() throws {
    let row = try project(measured(), hosts: 2, seconds: 1e-9)
    #expect(abs(row.stepSeconds - 1.2) < 1e-6 && abs(row.efficiency - 1) < 1e-6 && row.pairs == 8)
  }

  /// Computed by hand: what travels in 0.3 s hides but for the last bucket; what takes 0.8 s waits for the one before as well.
  @Test func bucketsTravelOneBehindTheOther() throws {
    #expect(abs(try project(measured(), hosts: 2, seconds: 0.3).stepSeconds - 1.5) < 1e-9)
    let slow = try project(measured(), hosts: 2, seconds: 0.8)
    #expect(abs(slow.stepSeconds - 2.3) < 1e-9)
    #expect(abs(slow.exposedSeconds - 1.1) < 1e-9)
    // Where weights move bucket by bucket, the first one's move hides behind the second's way.
    #expect(abs(try project(measured(eager: true), hosts: 2, seconds: 0.3).stepSeconds - 1.45) < 1e-9)
  }

  /// Computed by hand: the first bucket's 0.25 s are all beside the backward pass, of 0.8 s only 0.5 are; nothing is of the last one's.
  @Test func whatALinkHoldsBackTakesFromComputing() throws {
    let row = try project(measured(), hosts: 2, seconds: 0.25, taking: 0.1)
    #expect(abs(row.stepSeconds - (1.2 + 0.1 + 0.25)) < 1e-9 && abs(row.exposedSeconds - 0.25) < 1e-9)
    // Where the link is what a step waits for, its length is the link's.
    let slow = try project(measured(), hosts: 2, seconds: 0.8, taking: 0.1)
    #expect(abs(slow.stepSeconds - 2.3) < 1e-9 && abs(slow.exposedSeconds - (1.1 - 0.0625)) < 1e-9)
    // Hosts that are containers of one machine share its cores.
    var shared = measured()
    shared.processors = 1
    #expect(abs(try project(shared, hosts: 2, seconds: 0.25, taking: 0.1).stepSeconds - (1.2 + 0.2 + 0.25)) < 1e-9)
    // What the measured all-reduce took as long for is in the measured step already.
    for (measuredSeconds, taken) in [(0.25, 0.0), (0.1, 0.06)] {
      var point = measured()
      point.allReduce = [1, Int(bytes)].map { .init(bytes: $0, seconds: measuredSeconds) }
      let row = try project(point, hosts: 2, seconds: 0.25, taking: 0.1)
      #expect(abs(row.stepSeconds - (1.2 + taken + 0.25 - measuredSeconds)) < 1e-9)
    }
  }

  @Test func latencyCountsForBothPhasesAndTheEnd() throws {
    let network = Network(latencySeconds: 0.01, gigabitsPerSecond: 1e6, coreSecondsPerGigabit: 0)
    let row = try #require(Projection(of: [measured()], to: [2], over: network).rows.first)
    // The last bucket's two exchanges, two of the small sums, two gatherings of one round each.
    #expect(abs(row.stepSeconds - 1.26) < 1e-4)
  }

  @Test func moreHostsSendMoreAndStrongScalingComputesLess() throws {
    let network = Network(latencySeconds: 0, gigabitsPerSecond: 0.1)
    let weak = Projection(of: [measured()], to: [1, 2, 4, 1024], over: network).rows
    #expect(weak.map(\.pairs) == [4, 8, 16, 4096])
    #expect(zip(weak, weak.dropFirst()).allSatisfy { $0.stepSeconds < $1.stepSeconds })
    var point = measured(pairs: 32)
    point.series = .strong
    let quick = Network(latencySeconds: 0, gigabitsPerSecond: 1e9, coreSecondsPerGigabit: 0)
    let strong = Projection(of: [point], to: [1, 2, 4, 8, 16], over: quick).rows
    // Eight micro-batches: sixteen hosts would have nothing to do. Four a rank were measured, in 1 s.
    #expect(strong.map(\.hosts) == [1, 2, 4, 8])
    for (row, seconds) in zip(strong, [2.2, 1.2, 0.7, 0.45]) { #expect(abs(row.stepSeconds - seconds) < 1e-6) }
  }

  /// What is computed for a network is found again by measuring it.
  @Test func aNetworkIsKnownByItsAllReduce() throws {
    for ranks in [2, 3, 8] {
      let network = Network(latencySeconds: 3e-5, gigabitsPerSecond: 20, share: 0.5)
      let samples = [0, 4096 * 24, 4096 * 2400].map { floats in
        let traffic = LinkTraffic(
          count: floats, parts: Array(repeating: 1, count: ranks), ranksPerHost: 1, floatBytes: 4)
        return ScalingPoint.AllReduce(bytes: 4 * floats, seconds: traffic.seconds(over: network))
      }
      let found = try #require(Network(samples.reversed(), ranks: ranks))
      #expect(abs(found.latencySeconds - 3e-5) < 1e-9 && abs(found.gigabitsPerSecond - 10) < 1e-6)
    }
    #expect(Network([], ranks: 2) == nil && Network([.init(bytes: 8, seconds: 1)], ranks: 2) == nil)
  }

  /// A host that has two parts of the tree sends twice as much to those who add up.
  @Test func partsOfTheTreeTravelOneByOne() {
    let whole = LinkTraffic(count: 40_960, parts: [1, 1], ranksPerHost: 1, floatBytes: 4)
    let parts = LinkTraffic(count: 40_960, parts: [2, 2], ranksPerHost: 1, floatBytes: 4)
    #expect(parts.scatter == 2 * whole.scatter && parts.gather == whole.gather)
  }
}
