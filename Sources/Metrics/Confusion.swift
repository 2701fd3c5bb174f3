/// The confusion matrix of one yes-or-no question: how often each decision was made for each truth.
public struct Confusion: Sendable, Equatable {
  /// Positives found.
  public var truePositives = 0
  /// Negatives taken for positives.
  public var falsePositives = 0
  /// Positives missed.
  public var falseNegatives = 0
  /// Negatives left alone.
  public var trueNegatives = 0

  /// No decisions yet.
  public init() {}

  /// Counts a decision `times` times.
  public mutating func add(decision: Bool, truth: Bool, times: Int = 1) {
    switch (decision, truth) {
    case (true, true): truePositives += times
    case (true, false): falsePositives += times
    case (false, true): falseNegatives += times
    case (false, false): trueNegatives += times
    }
  }

  /// The counts of two sets of decisions.
  public static func + (a: Confusion, b: Confusion) -> Confusion {
    var sum = a
    sum.truePositives += b.truePositives
    sum.falsePositives += b.falsePositives
    sum.falseNegatives += b.falseNegatives
    sum.trueNegatives += b.trueNegatives
    return sum
  }

  /// All decisions.
  public var count: Int { truePositives + falsePositives + falseNegatives + trueNegatives }
  /// Truths that are positive.
  public var support: Int { truePositives + falseNegatives }

  private func ratio(_ part: Int, _ whole: Int) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }

  /// The share of right decisions.
  public var accuracy: Double { ratio(truePositives + trueNegatives, count) }
  /// The share of positives found; 0 without positives, as in scikit-learn.
  public var recall: Double { ratio(truePositives, support) }
  /// The share of positive decisions that are right; 0 without any.
  public var precision: Double { ratio(truePositives, truePositives + falsePositives) }
  /// The share of negatives left alone; 0 without negatives.
  public var specificity: Double { ratio(trueNegatives, trueNegatives + falsePositives) }
  /// The harmonic mean of precision and recall.
  public var f1: Double { ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives) }

  /// Cohen's kappa (1960): agreement beyond chance; nil where chance alone would agree always.
  public var kappa: Double? {
    let n = Double(count)
    guard n > 0 else { return nil }
    let decided = Double(truePositives + falsePositives)
    let expected = (decided * Double(support) + (n - decided) * (n - Double(support))) / (n * n)
    return expected == 1 ? nil : (accuracy - expected) / (1 - expected)
  }
}
