/// How two raters agree on one of several classes; classes that neither names do not count, as in scikit-learn.
struct Agreement {
  private let counts: [[Int]]
  private let total: Int

  init(pairs: [(truth: Int, decision: Int)]) {
    let classes = Set(pairs.flatMap { [$0.truth, $0.decision] }).sorted()
    let place = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($0.element, $0.offset) })
    var counts = [[Int]](repeating: [Int](repeating: 0, count: classes.count), count: classes.count)
    for pair in pairs {
      if let row = place[pair.truth], let column = place[pair.decision] { counts[row][column] += 1 }
    }
    self.counts = counts
    total = pairs.count
  }

  /// The share of equal answers.
  var accuracy: Double? {
    total == 0 ? nil : Double(counts.indices.reduce(0) { $0 + counts[$1][$1] }) / Double(total)
  }

  /// The mean over classes of the share found.
  var recallMacro: Double? {
    guard total > 0 else { return nil }
    let recalls = counts.indices.map { row -> Double in
      let support = counts[row].reduce(0, +)
      return support == 0 ? 0 : Double(counts[row][row]) / Double(support)
    }
    return recalls.reduce(0, +) / Double(recalls.count)
  }

  /// Cohen's kappa, disagreements weighed 1 or (Cohen 1968) by the squared distance of the classes.
  func kappa(quadratic: Bool) -> Double? {
    var (observed, expected) = (0.0, 0.0)
    let columns = counts.indices.map { column in counts.reduce(0) { $0 + $1[column] } }
    for i in counts.indices {
      let row = counts[i].reduce(0, +)
      for j in counts.indices where i != j {
        let weight = quadratic ? Double((i - j) * (i - j)) : 1
        observed += weight * Double(counts[i][j])
        expected += weight * Double(row * columns[j])
      }
    }
    return expected == 0 ? nil : 1 - observed * Double(total) / expected
  }
}
