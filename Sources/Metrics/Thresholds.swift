/// Decisions above other thresholds than one half.
extension Evaluation {
  /// The same probabilities, decided above `thresholds`, one a label.
  public func deciding(above thresholds: [Double]) -> Evaluation {
    precondition(thresholds.count == labels.count)
    var result = self
    result.decisions = probabilities.indices.map { probabilities[$0] > thresholds[$0 % labels.count] }
    return result
  }

  /// For each label the threshold above which its Cohen's kappa is highest; of several such that next to one half, which it stays where
  /// none is better than chance. Thresholds lie in the middle between probabilities.
  public var tunedThresholds: [Double] {
    labels.indices.map { label in
      let answers = stride(from: label, to: probabilities.count, by: labels.count)
        .map { (probability: probabilities[$0], truth: truths[$0]) }.sorted { $0.probability > $1.probability }
      var confusion = Confusion()
      confusion.falseNegatives = answers.count { $0.truth }
      confusion.trueNegatives = answers.count - confusion.falseNegatives
      var best = (kappa: 0.0, threshold: 0.5)
      for (answer, next) in zip(answers, answers.dropFirst()) {
        if answer.truth {
          confusion.truePositives += 1
          confusion.falseNegatives -= 1
        } else {
          confusion.falsePositives += 1
          confusion.trueNegatives -= 1
        }
        guard answer.probability > next.probability, let kappa = confusion.kappa, kappa > 0, kappa >= best.kappa else {
          continue
        }
        let threshold = (answer.probability + next.probability) / 2
        if kappa > best.kappa || abs(threshold - 0.5) < abs(best.threshold - 0.5) { best = (kappa, threshold) }
      }
      return best.threshold
    }
  }
}
