/// Scores in falling order with their truths, ready for measures that look at the order alone. Each element belongs to an
/// owner (a patient), whose weight says how often it counts.
struct Ranking: Sendable {
  private let owners: [Int]
  private let truths: [Bool]
  /// Where a run of equal scores ends.
  private let ends: [Bool]

  init(scores: [Double], truths: [Bool], owners: [Int]) {
    let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
    self.owners = order.map { owners[$0] }
    self.truths = order.map { truths[$0] }
    ends = order.indices.map { $0 + 1 == order.count || scores[order[$0]] != scores[order[$0 + 1]] }
  }

  /// The area under the ROC curve, ties counted half; nil without positives or without negatives.
  func area(_ weights: [Int]?) -> Double? {
    var (positives, negatives, pairs) = (0, 0, 0)
    var (runPositives, runNegatives) = (0, 0)
    for i in owners.indices {
      let weight = weights?[owners[i]] ?? 1
      if truths[i] { runPositives += weight } else { runNegatives += weight }
      guard ends[i] else { continue }
      // Twice the won pairs: positives so far beat these negatives, equal ones win half.
      pairs += runNegatives * (2 * positives + runPositives)
      positives += runPositives
      negatives += runNegatives
      (runPositives, runNegatives) = (0, 0)
    }
    guard positives > 0, negatives > 0 else { return nil }
    return Double(pairs) / (2 * Double(positives) * Double(negatives))
  }

  /// Average precision, the step-wise sum of precision over gained recall; nil without positives.
  func averagePrecision() -> Double? {
    let support = truths.count { $0 }
    guard support > 0 else { return nil }
    var (found, seen, gained, sum) = (0, 0, 0, 0.0)
    for i in owners.indices {
      seen += 1
      if truths[i] {
        found += 1
        gained += 1
      }
      guard ends[i] else { continue }
      sum += Double(gained) / Double(support) * Double(found) / Double(seen)
      gained = 0
    }
    return sum
  }
}
