import Metrics
import Testing

/// Decisions above other thresholds, parts of an evaluation, and two evaluations beside each other.
struct ThresholdTests {
  private let labels = ["a", "b", "c"]

  private func random(_ seed: UInt64, patients: Int) -> (probabilities: [Double], truths: [Bool]) {
    var state = seed
    func next(_ bound: UInt64) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % bound)
    }
    let probabilities = (0..<patients * 3).map { _ in Double(next(20)) / 20 }
    return (probabilities, probabilities.map { Double(next(100)) / 100 < 0.7 * $0 })
  }

  private func values(_ measures: [Evaluation.Measure]) -> [String: Double?] {
    Dictionary(uniqueKeysWithValues: measures.map { ($0.key, $0.value) })
  }

  private func kappa(_ probabilities: [Double], _ truths: [Bool], above threshold: Double) -> Double {
    let n = Double(probabilities.count)
    let decisions = probabilities.map { $0 > threshold }
    let agreed = Double(zip(decisions, truths).count { $0 == $1 }) / n
    let (p, q) = (Double(decisions.count { $0 }) / n, Double(truths.count { $0 }) / n)
    let chance = p * q + (1 - p) * (1 - q)
    return chance == 1 ? 0 : (agreed - chance) / (1 - chance)
  }

  /// No other threshold has a higher kappa, tried one by one; and decisions are those above it.
  @Test(arguments: UInt64(0)..<20)
  func thresholdsAreTheBest(_ seed: UInt64) {
    let (probabilities, truths) = random(seed, patients: 3 + Int(seed) * 5)
    let evaluation = Evaluation(labels: labels, probabilities: probabilities, truths: truths)
    let thresholds = evaluation.tunedThresholds
    let tuned = evaluation.deciding(above: thresholds)
    for label in labels.indices {
      let places = stride(from: label, to: probabilities.count, by: 3)
      let (p, y) = (places.map { probabilities[$0] }, places.map { truths[$0] })
      let found = kappa(p, y, above: thresholds[label])
      for other in stride(from: -0.025, to: 1, by: 0.025) {
        let better = kappa(p, y, above: other)
        #expect(better <= max(0, found) + 1e-12, "seed \(seed), label \(label): \(other) has \(better), not \(found)")
      }
      let told = (values(tuned.label(label))["kappa"] ?? nil) ?? 0
      #expect(abs(told - found) < 1e-12 && (found > 0 || thresholds[label] == 0.5))
    }
  }

  @Test func aLabelThatTellsNothingStaysAtOneHalf() {
    for truths in [[false, false, false], [true, true, true], [true, false, false]] {
      let evaluation = Evaluation(labels: ["a"], probabilities: [0.1, 0.3, 0.3], truths: truths)
      #expect(evaluation.tunedThresholds == [0.5])
    }
    // Two thresholds are as good: the one next to one half is taken.
    let evaluation = Evaluation(
      labels: ["a"], probabilities: [0.9, 0.7, 0.6, 0.2], truths: [true, false, true, false])
    #expect(evaluation.tunedThresholds == [0.4])
  }

  @Test func aPartIsTheEvaluationOfItsPatients() {
    let (probabilities, truths) = random(5, patients: 30)
    let evaluation = Evaluation(labels: labels, probabilities: probabilities, truths: truths)
    let places = [3, 4, 9, 28, 17]
    let those = places.flatMap { $0 * 3..<$0 * 3 + 3 }
    let expected = Evaluation(
      labels: labels, probabilities: those.map { probabilities[$0] }, truths: those.map { truths[$0] })
    let part = evaluation.selecting(places)
    #expect(part.patients == 5 && values(part.measures()) == values(expected.measures()))
    let low = evaluation.deciding(above: [0.1, 0.2, 0.3])
    #expect(
      values(low.selecting(places).measures()) == values(expected.deciding(above: [0.1, 0.2, 0.3]).measures()))
  }

  @Test func changesAreCounted() {
    let truths = [true, false, false, true]
    let a = Evaluation(labels: ["a", "b"], probabilities: [0.9, 0.2, 0.6, 0.4], truths: truths)
    let b = Evaluation(labels: ["a", "b"], probabilities: [0.8, 0.1, 0.3, 0.6], truths: truths)
    let found = values(a.changes(in: b))
    #expect(found["changed_labels"] == 0.5 && found["changed_patients"] == 0.5)
    #expect(abs(((found["mean_distance"] ?? nil) ?? 0) - 0.175) < 1e-12)
    #expect(values(a.changes(in: a)).values.allSatisfy { $0 == 0 })
  }
}
