/// Ranks by what each of them says, the largest group first; of equal ones that with the lowest rank.
struct RankGroups<Value: Hashable> {
  /// Ranks that say the same.
  struct Group {
    let value: Value
    let ranks: [Int]
    /// For people: "rank 2", "ranks 0, 1 and 3".
    var names: String { ranks.names }
  }

  let all: [Group]

  /// Groups of `values`, one a rank.
  init(_ values: [Value]) {
    all = Dictionary(grouping: values.indices) { values[$0] }.map { Group(value: $0.key, ranks: $0.value) }
      .sorted { ($0.ranks.count, -$0.ranks[0]) > ($1.ranks.count, -$1.ranks[0]) }
  }

  /// The ranks outside the largest group; all where no group is the largest.
  var minority: [Int] {
    let isTied = all.count > 1 && all[0].ranks.count == all[1].ranks.count
    return all.dropFirst(isTied ? 0 : 1).flatMap(\.ranks).sorted()
  }
}

extension [Int] {
  /// Ranks for people: "rank 2", "ranks 0, 1 and 3", at most 16 of them.
  var names: String {
    guard count > 1 else { return "rank \(first ?? 0)" }
    if count > 16 { return "ranks \(prefix(16).map(String.init).joined(separator: ", ")) and \(count - 16) more" }
    return "ranks \(dropLast().map(String.init).joined(separator: ", ")) and \(self[count - 1])"
  }
}
