import Metrics
import Testing

/// Every measure against its definition, written out with loops over patients and labels and no code in common.
struct DefinitionTests {
  /// Drawn probabilities and truths of some patients and labels.
  private struct Answers {
    let labels = ["a", "b", "c"]
    var p: [[Double]] = []
    var y: [[Bool]] = []
    private var state: UInt64

    private mutating func draw(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }

    /// With `steps` different probabilities, one half among them.
    init(seed: UInt64, patients: Int, steps: Int = 10) {
      state = seed
      for _ in 0..<patients {
        p.append(labels.map { _ in Double(draw(steps + 1)) / Double(steps) })
        y.append(labels.map { _ in draw(3) == 0 })
      }
    }

    var evaluation: Evaluation {
      Evaluation(labels: labels, probabilities: Array(p.joined()), truths: Array(y.joined()))
    }

    /// How many (patient, label) have this decision and this truth; of one label or all.
    func count(_ decision: Bool, _ truth: Bool, _ label: Int? = nil) -> Double {
      var count = 0
      for i in p.indices {
        for k in labels.indices where label == nil || label == k {
          if (p[i][k] > 0.5) == decision, y[i][k] == truth { count += 1 }
        }
      }
      return Double(count)
    }

    /// The share of pairs of a positive and a negative in the right order, ties half.
    func area(_ label: Int? = nil) -> Double {
      let all = p.indices.flatMap { i in
        labels.indices.filter { label == nil || label == $0 }.map { (p[i][$0], y[i][$0]) }
      }
      var (won, pairs) = (0.0, 0.0)
      for (score, _) in all.filter(\.1) {
        for negative in all.filter({ !$0.1 }) {
          pairs += 1
          won += score > negative.0 ? 1 : score == negative.0 ? 0.5 : 0
        }
      }
      return won / pairs
    }

    /// Over thresholds from high to low: precision times gained recall.
    func averagePrecision(_ label: Int) -> Double {
      let positives = Double(y.count { $0[label] })
      var (sum, before) = (0.0, 0.0)
      for threshold in Set(p.map { $0[label] }).sorted(by: >) {
        let chosen = p.indices.filter { p[$0][label] >= threshold }
        let found = Double(chosen.count { y[$0][label] })
        sum += (found / positives - before) * found / Double(chosen.count)
        before = found / positives
      }
      return sum
    }
  }

  private func expect(_ found: [Evaluation.Measure], _ expected: [String: Double], _ what: String) {
    for (key, value) in expected {
      let measure = found.first { $0.key == key }?.value
      #expect(
        measure.map { abs($0 - value) < 1e-12 } == true, "\(what), \(key): \(String(describing: measure)), \(value)")
    }
    #expect(Set(found.map(\.key)) == Set(expected.keys))
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func measuresOfTheWholeMatrix(_ seed: UInt64) {
    let answers = Answers(seed: seed, patients: 37)
    let (tp, fp, fn, tn) = (
      answers.count(true, true), answers.count(true, false), answers.count(false, true), answers.count(false, false)
    )
    let n = tp + fp + fn + tn
    let chance = ((tp + fp) / n) * ((tp + fn) / n) + ((fn + tn) / n) * ((fp + tn) / n)
    let kappa = ((tp + tn) / n - chance) / (1 - chance)
    func macro(_ measure: (_ tp: Double, _ fp: Double, _ fn: Double, _ tn: Double) -> Double) -> Double {
      answers.labels.indices.reduce(0.0) { sum, k in
        sum
          + measure(
            answers.count(true, true, k), answers.count(true, false, k), answers.count(false, true, k),
            answers.count(false, false, k))
      } / 3
    }
    let exact = answers.p.indices.count { i in
      answers.labels.indices.allSatisfy { (answers.p[i][$0] > 0.5) == answers.y[i][$0] }
    }
    expect(
      answers.evaluation.measures(),
      [
        "kappa": kappa, "f1": (tp + tn) / n, "auc": answers.area(), "accuracy": (tp + tn) / n,
        "final": (kappa + (tp + tn) / n + answers.area()) / 3, "f1_positive": 2 * tp / (2 * tp + fp + fn),
        "exact_match": Double(exact) / 37, "recall": tp / (tp + fn), "precision": tp / (tp + fp),
        "specificity": tn / (tn + fp), "auc_macro": (answers.area(0) + answers.area(1) + answers.area(2)) / 3,
        "recall_macro": macro { tp, _, fn, _ in tp / (tp + fn) },
        "precision_macro": macro { tp, fp, _, _ in tp / (tp + fp) },
        "specificity_macro": macro { _, fp, _, tn in tn / (tn + fp) },
        "f1_macro": macro { tp, fp, fn, _ in 2 * tp / (2 * tp + fp + fn) },
      ], "seed \(seed)")
    let precisions = answers.labels.indices.map { answers.averagePrecision($0) }
    #expect(abs((answers.evaluation.averagePrecisionMacro ?? 0) - precisions.reduce(0, +) / 3) < 1e-12)
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func measuresOfALabel(_ seed: UInt64) {
    let answers = Answers(seed: seed, patients: 41)
    for k in answers.labels.indices {
      let (tp, fp, fn, tn) = (
        answers.count(true, true, k), answers.count(true, false, k), answers.count(false, true, k),
        answers.count(false, false, k)
      )
      let n = tp + fp + fn + tn
      let chance = ((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn)) / (n * n)
      expect(
        answers.evaluation.label(k),
        [
          "auc": answers.area(k), "average_precision": answers.averagePrecision(k), "f1": 2 * tp / (2 * tp + fp + fn),
          "recall": tp / (tp + fn), "precision": tp / (tp + fp), "specificity": tn / (tn + fp),
          "kappa": ((tp + tn) / n - chance) / (1 - chance), "support": tp + fn,
        ], "seed \(seed), label \(k)")
    }
  }

  /// Kappas as one minus observed over expected disagreement (Cohen 1968), each pair of patients' answers being one expectation.
  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func measuresOfPatientsWithOneLabel(_ seed: UInt64) {
    let answers = Answers(seed: seed, patients: 60, steps: 1000)
    let single = answers.p.indices.filter { answers.y[$0].count { $0 } == 1 }
    let truths = single.map { i in answers.labels.indices.first { answers.y[i][$0] } ?? -1 }
    let decisions = single.map { i in answers.labels.indices.max { answers.p[i][$0] < answers.p[i][$1] } ?? -1 }
    let n = Double(single.count)
    func kappa(_ weight: (Int) -> Int) -> Double {
      let observed = zip(truths, decisions).reduce(0.0) { $0 + Double(weight($1.0 - $1.1)) } / n
      let expected =
        truths.reduce(0.0) { sum, truth in
          sum + decisions.reduce(0.0) { $0 + Double(weight(truth - $1)) }
        } / (n * n)
      return 1 - observed / expected
    }
    let classes = Set(truths + decisions)
    let recalls = classes.map { k -> Double in
      let own = truths.indices.filter { truths[$0] == k }
      return own.isEmpty ? 0 : Double(own.count { decisions[$0] == k }) / Double(own.count)
    }
    expect(
      answers.evaluation.singleLabel,
      [
        "patients": n, "accuracy": Double(zip(truths, decisions).count { $0 == $1 }) / n,
        "recall_macro": recalls.reduce(0, +) / Double(classes.count), "kappa": kappa { $0 == 0 ? 0 : 1 },
        "kappa_quadratic": kappa { $0 * $0 },
      ], "seed \(seed)")
  }

  /// A label is positive above the threshold, not at it.
  @Test func aProbabilityOfOneHalfIsNegative() {
    let evaluation = Evaluation(labels: ["a"], probabilities: [0.5, 0.5 + 1e-9, 0.2], truths: [false, true, false])
    #expect(evaluation.measures().first { $0.key == "accuracy" }?.value == 1)
    let strict = Evaluation(labels: ["a"], probabilities: [0.5, 0.9], truths: [false, false], threshold: 0.9)
    #expect(strict.measures().first { $0.key == "accuracy" }?.value == 1)
  }

  /// The interval's ends are the 2.5th and the 97.5th percentile of the draws: here every draw's accuracy is known.
  @Test func intervalsAreOfTheMiddle95Percent() throws {
    // One patient of two is right, so a draw of two patients has accuracy 0, 1/2 or 1.
    let evaluation = Evaluation(labels: ["a"], probabilities: [0.9, 0.9], truths: [true, false])
    // 4 of 100 draws take the wrong patient twice, 4 the right one twice, the others one of each.
    var places: [Int] = []
    for draw in 0..<100 { places += draw < 4 ? [1, 1] : draw < 8 ? [0, 0] : [0, 1] }
    var next = 0
    func below(_: Int) -> Int {
      next += 1
      return places[next - 1]
    }
    let interval = try #require(evaluation.intervals(draws: 100, below: below)["accuracy"])
    #expect(interval.low == 0 && interval.high == 1)
    // With 2 each the percentiles lie within the others.
    places = []
    for draw in 0..<100 { places += draw < 2 ? [1, 1] : draw < 4 ? [0, 0] : [0, 1] }
    next = 0
    let narrow = try #require(evaluation.intervals(draws: 100, below: below)["accuracy"])
    #expect(narrow.low == 0.5 && narrow.high == 0.5)
    #expect(Evaluation.percentile([1, 2, 4], 0.25) == 1.5 && Evaluation.percentile([1, 2, 4], 1) == 4)
  }

  /// Sums of confusions are those of all decisions.
  @Test func confusionsAddUp() {
    var (a, b) = (Confusion(), Confusion())
    (a.truePositives, a.falsePositives, a.falseNegatives, a.trueNegatives) = (1, 2, 3, 4)
    (b.truePositives, b.falsePositives, b.falseNegatives, b.trueNegatives) = (10, 20, 30, 40)
    let sum = a + b
    #expect(sum.truePositives == 11 && sum.falsePositives == 22 && sum.falseNegatives == 33 && sum.trueNegatives == 44)
    #expect(sum.count == 110 && sum.support == 44)
  }
}
