import Foundation

/// What points come to: `scaling.json`. Page, table and plots show its figures and no others.
package struct ScalingReport: Codable, Sendable {
  /// A place of the grid, over all rounds.
  package struct Row: Codable, Sendable {
    package let ranks, threads, hosts, cores: Int
    package let isOversubscribed: Bool
    /// Pairs of a step.
    package let pairs: Int
    package let rounds: Int
    /// The median of each round's median.
    package let stepSeconds: Double
    package let pairsPerSecond: Interval
    /// What the first place would make on so many cores without loss.
    package let idealPairsPerSecond: Double
    /// Of the ideal; over the rounds, each against the first place in that round.
    package let efficiency: Interval
    /// Shares of a step, which add up to 1.
    package let shares: ScalingPoint.Shares
    package let coreHoursPerEpoch: Double
    /// Pairs a second of the peer.
    package let baselinePairsPerSecond: Interval?
    /// How many times as fast as the peer, over the rounds.
    package let ratioToBaseline: Interval?
  }

  /// Places with the same kind of input and the same rule for the pairs of a step.
  package struct Series: Codable, Sendable {
    package let kind: ScalingPoint.Series
    /// "synthetic", or the data set.
    package let input: String
    package let rows: [Row]
    /// The most ranks whose efficiency is above 0.7; nil: none.
    package let recommendedRanks: Int?
    package let recommendedThreads: Int?
  }

  /// The all-reduce alone, at one place.
  package struct Bandwidth: Codable, Sendable {
    package struct Sample: Codable, Sendable {
      package let bytes: Int
      package let seconds: Double
      /// Bytes of the array a second, in GB/s.
      package let algorithmGbPerSecond: Double
      /// Bytes a second of each link in a ring, in GB/s.
      package let busGbPerSecond: Double
    }
    package let ranks, threads, hosts: Int
    package let samples: [Sample]
  }

  /// What a proposal asks for.
  package struct Setting: Codable, Sendable {
    package let version: String
    package let commit: String?
    package let command, processor, mpi, transport: String
    package let nodes: [String]
    package let processors: Int
    /// Rank by rank at the place with the most ranks: host and processors.
    package let binding: [String]
    package let microBatch, epochPairs: Int
    /// Median seconds from the start of the processes to the first step that counts.
    package let startSeconds: Double
    package let checkpointSeconds, checkpointBlockingSeconds: Double
  }

  package let setting: Setting
  package let series: [Series]
  package let bandwidth: [Bandwidth]
  package let projections: [Projection]
  package let faults: [FaultPlan]

  /// The efficiency that a recommended number of ranks must exceed.
  package static let threshold = 0.7

  /// The report of `points`; `baselines`: the peer's pairs a second by name of the point. Nil without points.
  package init?(_ points: [ScalingPoint], baselines: [String: Double], _ wish: Wish) {
    guard let last = points.max(by: { ($0.cores, $0.round) < ($1.cores, $1.round) }) else { return nil }
    let places = Dictionary(grouping: points, by: \.place).values
      .map { $0.sorted { $0.round < $1.round } }
      .sorted { ($0[0].cores, $0[0].ranks, $0[0].hostCount) < ($1[0].cores, $1[0].ranks, $1[0].hostCount) }
    setting = Setting(
      version: last.version, commit: last.commit, command: last.command, processor: last.processor, mpi: last.mpi,
      transport: last.transport, nodes: Set(points.flatMap(\.hosts)).sorted(),
      processors: points.map(\.processors).max() ?? 1, binding: zip(last.hosts, last.binding).map { "\($0): \($1)" },
      microBatch: last.microBatch, epochPairs: last.epochPairs, startSeconds: median(points.map(\.startSeconds)),
      checkpointSeconds: median(points.map(\.checkpointSeconds)),
      checkpointBlockingSeconds: median(points.map(\.checkpointBlockingSeconds)))
    series = ScalingPoint.Series.allCases.flatMap { kind in
      let own = places.filter { $0[0].series == kind }
      return Set(own.map { $0[0].data ?? "" }).sorted().map { data in
        Self.series(kind, own.filter { ($0[0].data ?? "") == data }, baselines)
      }
    }
    bandwidth = places.filter { !$0[0].allReduce.isEmpty && $0[0].series == places[0][0].series }.map(Self.bandwidth)
    let bases = ScalingPoint.Series.allCases.compactMap { kind in
      places.last { $0[0].series == kind && $0[0].hostCount == places.map { $0[0].hostCount }.max() }
    }
    projections = bases.flatMap { base in
      wish.networks.map { Projection(of: base, to: wish.hosts, over: $0) }
    }
    let hours = wish.hoursBetweenFailures
    let (step, setting) = (bases.first.map { median($0.map(\.seconds)) } ?? 1, setting)
    let hosts = wish.hosts.isEmpty ? [last.hostCount] : wish.hosts
    faults =
      hours.map { hours in
        hosts.map { FaultPlan(hosts: $0, hoursBetweenFailures: hours, stepSeconds: step, setting) }
      } ?? []
  }

  /// What is asked for beyond the measurements.
  package struct Wish {
    /// Numbers of hosts to project to.
    package var hosts: [Int] = []
    package var networks: [Network] = []
    /// Of one host.
    package var hoursBetweenFailures: Double?

    /// Nothing.
    package init() {}
  }

  private static func series(
    _ kind: ScalingPoint.Series, _ places: [[ScalingPoint]], _ baselines: [String: Double]
  ) -> Series {
    let first = places[0]
    let rows = places.map { place in
      let one = place[0]
      let rates = place.map(\.pairsPerSecond)
      let ideal = Interval(first.map(\.pairsPerSecond)).mean / Double(first[0].cores) * Double(one.cores)
      // Against the first place in the same round, which had the machine in the same mood.
      let efficiencies = place.map { point in
        let base = first.first { $0.round == point.round }?.pairsPerSecond ?? median(first.map(\.pairsPerSecond))
        return point.pairsPerSecond / base * Double(first[0].cores) / Double(point.cores)
      }
      let peers = place.compactMap { point in baselines[point.name].map { (ours: point.pairsPerSecond, theirs: $0) } }
      return Row(
        ranks: one.ranks, threads: one.threads, hosts: one.hostCount, cores: one.cores,
        isOversubscribed: one.isOversubscribed, pairs: one.pairs, rounds: place.count,
        stepSeconds: median(place.map(\.seconds)), pairsPerSecond: Interval(rates), idealPairsPerSecond: ideal,
        efficiency: Interval(efficiencies), shares: shares(place),
        coreHoursPerEpoch: Double(one.epochPairs) / (rates.reduce(0, +) / Double(rates.count)) * Double(one.cores)
          / 3600,
        baselinePairsPerSecond: peers.isEmpty ? nil : Interval(peers.map(\.theirs)),
        ratioToBaseline: peers.isEmpty ? nil : Interval(peers.map { $0.ours / $0.theirs }))
    }
    let good = rows.last { $0.efficiency.mean > threshold && !$0.isOversubscribed }
    return Series(
      kind: kind, input: first[0].data ?? "synthetic", rows: rows, recommendedRanks: good?.ranks,
      recommendedThreads: good?.threads)
  }

  /// The rounds' shares of a step together.
  private static func shares(_ place: [ScalingPoint]) -> ScalingPoint.Shares {
    var result = ScalingPoint.Shares()
    for path in [\ScalingPoint.Shares.compute, \.communication, \.data, \.imbalance, \.update] {
      result[keyPath: path] = place.reduce(0) { $0 + $1.shares[keyPath: path] / $1.shares.total } / Double(place.count)
    }
    return result
  }

  private static func bandwidth(_ place: [ScalingPoint]) -> Bandwidth {
    let ranks = place[0].ranks
    return Bandwidth(
      ranks: ranks, threads: place[0].threads, hosts: place[0].hostCount,
      samples: place[0].allReduce.indices.map { index in
        let bytes = place[0].allReduce[index].bytes
        let seconds = median(place.compactMap { index < $0.allReduce.count ? $0.allReduce[index].seconds : nil })
        let rate = AllReduceRate(bytes: bytes, seconds: seconds, ranks: ranks)
        return Bandwidth.Sample(
          bytes: bytes, seconds: seconds, algorithmGbPerSecond: rate.algorithm, busGbPerSecond: rate.bus)
      })
  }
}

/// The speed of an all-reduce, as the field states it.
package struct AllReduceRate {
  /// Bytes of the array a second, in GB/s.
  package let algorithm: Double
  /// Bytes a second that each link carries in a ring, in GB/s: what hardware is compared by.
  package let bus: Double

  /// An array of `bytes` summed over `ranks` in `seconds`.
  package init(bytes: Int, seconds: Double, ranks: Int) {
    algorithm = Double(bytes) / seconds / 1e9
    bus = 2 * algorithm * Double(ranks - 1) / Double(ranks)
  }
}
