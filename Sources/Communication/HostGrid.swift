/// The ranks of a job by host, for sums that are made on each host first, so that the network carries them once a host and not once a
/// rank.
struct HostGrid: Equatable {
  /// A row a host, its ranks in order; all of the same length. Where hosts have different numbers of ranks one row holds all.
  let rows: [[Int]]

  /// The grid of ranks that run on `hosts`, in the order of ranks.
  init(_ hosts: [String]) {
    var names: [String: Int] = [:]
    var rows: [[Int]] = []
    for (rank, host) in hosts.enumerated() {
      let row = names[host, default: rows.count]
      names[host] = row
      if row == rows.count { rows.append([]) }
      rows[row].append(rank)
    }
    self.rows = Set(rows.map(\.count)).count == 1 ? rows : [Array(hosts.indices)]
  }

  /// The row of `rank`: the ranks of its host.
  func row(of rank: Int) -> Int { rows.firstIndex { $0.contains(rank) } ?? 0 }

  /// The ranks that have the place of `rank` on their hosts, itself among them, in the order of rows.
  func column(of rank: Int) -> [Int] {
    let place = rows[row(of: rank)].firstIndex(of: rank) ?? 0
    return rows.map { $0[place] }
  }
}
