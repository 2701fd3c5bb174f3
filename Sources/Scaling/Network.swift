import Communication

/// What connects hosts: every host by one link, in both directions at once, to a switch that never blocks.
package struct Network: Codable, Sendable, Equatable {
  /// Of a message from program to program.
  package let latencySeconds: Double
  /// Of a host's link.
  package let gigabitsPerSecond: Double

  /// What programs get of it where both directions are busy.
  package let share: Double
  /// What a gigabit that a host sends, and as much that it receives, takes from its cores' computing beyond what the same takes over
  /// a quicker network: what a link holds back comes in small pieces, each of which interrupts the step.
  package let coreSecondsPerGigabit: Double

  /// What the all-reduce gets of TCP with Open MPI. Measured on links of 1 and 2 Gbit/s: 0.95 between 2 hosts, which is what headers
  /// leave, and between 4 hosts 0.94, or 0.89 where they send by BBR.
  package static let shareOfTCP = 0.93
  /// What TCP takes. Read off steps that were longer than projected without it, of hosts of one rank with BBR on one processor (Zen 5):
  /// 0.09 to 0.11 at 2 Gbit/s (2 and 4 hosts, depth 18 and 50), 0.12 at 1 (4 hosts, depth 50).
  package static let coreSecondsOfTCP = 0.09

  /// A network of such links.
  package init(
    latencySeconds: Double, gigabitsPerSecond: Double, share: Double = shareOfTCP,
    coreSecondsPerGigabit: Double = coreSecondsOfTCP
  ) {
    (self.latencySeconds, self.gigabitsPerSecond) = (latencySeconds, gigabitsPerSecond)
    (self.share, self.coreSecondsPerGigabit) = (share, coreSecondsPerGigabit)
  }

  /// The network that an all-reduce over `ranks` hosts of one rank each was measured on: its latency by the smallest array, its
  /// bandwidth by the largest. What it takes from computing that does not tell: nothing is counted. Nil where it cannot be told.
  package init?(_ samples: [ScalingPoint.AllReduce], ranks: Int) {
    let samples = samples.sorted { $0.bytes < $1.bytes }
    guard let first = samples.first, let last = samples.last, ranks > 1 else { return nil }
    let time = last.seconds - first.seconds
    guard time > 0 else { return nil }
    let bytes = 2 * Double(last.bytes - first.bytes) * Double(ranks - 1) / Double(ranks)
    self.init(
      latencySeconds: first.seconds / 2, gigabitsPerSecond: bytes / time * 8 / 1e9, share: 1, coreSecondsPerGigabit: 0)
  }

  /// Bytes a second that programs see.
  package var bytesPerSecond: Double { gigabitsPerSecond * 1e9 / 8 * share }
}

/// The bytes that the tree's all-reduce of one array moves over the busiest link: first the partial sums to those who add them up,
/// then the slices of the sum to all.
package struct LinkTraffic: Equatable {
  /// Of the reduce-scatter.
  package let scatter: Int
  /// Of the all-gather.
  package let gather: Int

  /// - Parameters:
  ///   - count: floats of the array.
  ///   - parts: how many partial sums of it each host has, once its ranks have added up theirs, in the order of hosts.
  ///   - ranksPerHost: ranks of a host, which share out among them what their host sends and receives; hosts are filled in the order of ranks.
  ///   - floatBytes: of a partial sum's element on its way, and of the sum's.
  package init(count: Int, parts: [Int], ranksPerHost: Int, floatBytes: Int) {
    let hosts = parts.count
    let slices = Buckets.slices(0..<count, ranks: hosts * ranksPerHost).map(\.count)
    let allParts = parts.reduce(0, +)
    var (scatter, gather) = (0, 0)
    for host in 0..<hosts {
      let slice = slices[host * ranksPerHost..<(host + 1) * ranksPerHost].reduce(0, +)
      scatter = max(scatter, parts[host] * (count - slice), slice * (allParts - parts[host]))
      gather = max(gather, slice * (hosts - 1), count - slice)
    }
    (self.scatter, self.gather) = (scatter * floatBytes, gather * floatBytes)
  }

  /// What goes over the link one way.
  package var gigabits: Double { Double(scatter + gather) * 8 / 1e9 }

  /// The time over `network`, of which each of both phases waits once for the first byte.
  package func seconds(over network: Network) -> Double {
    2 * network.latencySeconds + Double(scatter + gather) / network.bytesPerSecond
  }
}
