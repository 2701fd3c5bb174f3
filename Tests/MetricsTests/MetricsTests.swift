import Metrics
import Testing

struct MetricsTests {
  /// Small pseudo-random numbers without any library.
  private struct Numbers {
    var state: UInt64
    mutating func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
  }

  private func random(_ seed: UInt64, patients: Int, ties: Int) -> (Evaluation, [Double], [Bool]) {
    var numbers = Numbers(state: seed)
    let probabilities = (0..<patients * 3).map { _ in Double(numbers.next(ties)) / Double(ties) }
    let truths = probabilities.map { Double(numbers.next(1000)) / 1000 < $0 * 0.6 + 0.1 }
    return (Evaluation(labels: ["a", "b", "c"], probabilities: probabilities, truths: truths), probabilities, truths)
  }

  private func value(_ evaluation: Evaluation, _ key: String) -> Double? {
    evaluation.measures().first { $0.key == key }?.value
  }

  /// The area under the curve is the share of (positive, negative) pairs in the right order, ties half.
  @Test(arguments: [(1, 10, 4), (2, 40, 1000), (3, 25, 2), (4, 60, 7)] as [(UInt64, Int, Int)])
  func aucCountsPairs(_ seed: UInt64, _ patients: Int, _ ties: Int) throws {
    let (evaluation, probabilities, truths) = random(seed, patients: patients, ties: ties)
    var (won, pairs) = (0.0, 0.0)
    for i in truths.indices where truths[i] {
      for j in truths.indices where !truths[j] {
        pairs += 1
        won += probabilities[i] > probabilities[j] ? 1 : probabilities[i] == probabilities[j] ? 0.5 : 0
      }
    }
    #expect(abs(try #require(value(evaluation, "auc")) - won / pairs) < 1e-12)
  }

  @Test func kappaOfAKnownTable() {
    var confusion = Confusion()
    confusion.add(decision: true, truth: true, times: 20)
    confusion.add(decision: true, truth: false, times: 5)
    confusion.add(decision: false, truth: true, times: 10)
    confusion.add(decision: false, truth: false, times: 15)
    #expect(abs((confusion.kappa ?? 0) - 0.4) < 1e-12)
    #expect(confusion.accuracy == 0.7)
    #expect(abs(confusion.f1 - 40.0 / 55) < 1e-12)
  }

  @Test func doingNothingHasNoKappa() {
    let (evaluation, _, _) = random(9, patients: 50, ties: 100)
    #expect(value(evaluation.allNegative, "kappa") == 0)
    #expect(value(evaluation.allNegative, "auc") == 0.5)
    #expect((value(evaluation.labelFrequencies, "auc_macro") ?? 0) == 0.5)
  }

  @Test func aLabelOfOneKindHasNoAUC() {
    let evaluation = Evaluation(
      labels: ["a", "b"], probabilities: [0.1, 0.9, 0.8, 0.3, 0.6, 0.2],
      truths: [false, false, true, false, true, false])
    #expect(evaluation.label(1).first { $0.key == "auc" }?.value == nil)
    #expect(value(evaluation, "auc_macro") == evaluation.label(0).first { $0.key == "auc" }?.value ?? nil)
  }

  /// Weighing patients is the same as repeating them.
  @Test func weightsRepeatPatients() throws {
    let (evaluation, probabilities, truths) = random(5, patients: 30, ties: 9)
    var numbers = Numbers(state: 77)
    let weights = (0..<30).map { _ in numbers.next(4) }
    let repeated = weights.indices.flatMap { Array(repeating: $0, count: weights[$0]) }
    let copy = Evaluation(
      labels: ["a", "b", "c"], probabilities: repeated.flatMap { Array(probabilities[$0 * 3..<$0 * 3 + 3]) },
      truths: repeated.flatMap { Array(truths[$0 * 3..<$0 * 3 + 3]) })
    for (a, b) in zip(evaluation.measures(weights: weights), copy.measures()) {
      #expect(abs((a.value ?? -9) - (b.value ?? -9)) < 1e-12, "\(a.key)")
    }
  }

  @Test func intervalsHoldTheValue() throws {
    let (evaluation, _, _) = random(6, patients: 200, ties: 100)
    var numbers = Numbers(state: 1)
    let intervals = evaluation.intervals(draws: 300) { numbers.next($0) }
    let kappa = try #require(value(evaluation, "kappa"))
    let interval = try #require(intervals["kappa"])
    #expect(interval.low < kappa && kappa < interval.high && interval.high - interval.low < 0.3)
    #expect(Evaluation.percentile([1, 2, 3, 4], 0.5) == 2.5)
  }

  @Test func singleLabelPatientsAreDecidedByTheLargest() {
    let evaluation = Evaluation(
      labels: ["a", "b", "c"], probabilities: [0.9, 0.1, 0.2, 0.4, 0.3, 0.2, 0.1, 0.2, 0.3, 0.7, 0.7, 0.1],
      truths: [true, false, false, false, true, false, false, false, true, true, true, false])
    let found = Dictionary(uniqueKeysWithValues: evaluation.singleLabel.map { ($0.key, $0.value) })
    #expect(found["patients"] == 3)
    let accuracy = (found["accuracy"] ?? nil) ?? 0
    let kappa = (found["kappa"] ?? nil) ?? 0
    #expect(abs(accuracy - 2.0 / 3) < 1e-12)
    #expect(abs(kappa - 0.5) < 1e-12)
  }
}
