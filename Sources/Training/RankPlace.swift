import Foundation

/// Where a rank runs.
public struct RankPlace: Codable {
  /// Its host.
  public let host: String
  /// The processors it may run on.
  public let processors: [Int]
  /// How many of them it may use at a time: fewer where control groups set a quota.
  public let usable: Int
  /// Its threads.
  public let threads: Int
  /// IPv4 addresses of its host by interface.
  public let addresses: [String: String]

  /// This rank's.
  public init(_ communicator: any Communicator, threads: Int) {
    (host, self.threads) = (communicator.host, threads)
    (processors, usable, addresses) = (Machine.processors, Machine.usableProcessors, Machine.addresses)
  }
}

extension Communicator {
  /// A line about hosts whose ranks have more threads than processors to run them; nil where there are none. Collective.
  public func crowdingLine(threads: Int) throws -> String? {
    let hosts = Dictionary(grouping: try gather([RankPlace(self, threads: threads)]), by: \.host)
    for (host, places) in hosts.sorted(by: { $0.key < $1.key }) {
      let wanted = places.reduce(0) { $0 + $1.threads }
      // Ranks may share processors or have their own; a quota holds for all of a host's ranks together.
      let allowed = Set(places.flatMap(\.processors)).count
      let quota = places.contains { $0.usable < $0.processors.count } ? places.map(\.usable).min() : nil
      let usable = min(allowed, quota ?? allowed)
      let narrow = places.first { $0.threads > $0.processors.count }
      guard wanted > usable || narrow != nil else { continue }
      let ranks = "\(places.count) \(places.count == 1 ? "rank" : "ranks")"
      if let narrow, wanted <= usable {
        return
          "\(host): a rank of \(narrow.threads) threads is bound to \(narrow.processors.count) of \(usable) processors; "
          + "launch/train binds to as many cores as a rank has threads"
      }
      return "\(host): \(ranks) with \(wanted) threads in all may use \(usable) "
        + "\(usable == 1 ? "processor" : "processors")\(quota == nil ? "" : " (a quota)"); fewer run faster"
    }
    return nil
  }
}
