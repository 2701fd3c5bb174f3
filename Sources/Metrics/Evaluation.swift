/// Probabilities and truths of N patients and K labels, and every measure of how well they agree.
///
/// Definitions follow the ODIR-5K challenge (kappa, F1 and AUC on the flattened matrix, and their mean) and scikit-learn.
public struct Evaluation: Sendable {
  /// A measure by its key in files; nil where it is undefined.
  public struct Measure: Sendable {
    /// Snake case.
    public let key: String
    /// The value.
    public let value: Double?
  }

  /// The labels' names.
  public let labels: [String]
  /// N.
  public let patients: Int
  /// N x K.
  var decisions: [Bool]
  let truths: [Bool]
  let probabilities: [Double]
  private let flattened: Ranking
  private let each: [Ranking]

  /// - Parameters:
  ///   - probabilities: N x K, patient by patient.
  ///   - truths: N x K.
  ///   - threshold: a label is positive above it.
  public init(labels: [String], probabilities: [Double], truths: [Bool], threshold: Double = 0.5) {
    let classes = labels.count
    precondition(probabilities.count == truths.count && probabilities.count % max(1, classes) == 0)
    self.labels = labels
    self.truths = truths
    self.probabilities = probabilities
    patients = probabilities.count / max(1, classes)
    decisions = probabilities.map { $0 > threshold }
    flattened = Ranking(scores: probabilities, truths: truths, owners: probabilities.indices.map { $0 / classes })
    each = (0..<classes).map { label in
      let places = stride(from: label, to: probabilities.count, by: classes)
      return Ranking(
        scores: places.map { probabilities[$0] }, truths: places.map { truths[$0] },
        owners: Array(0..<(probabilities.count / classes)))
    }
  }

  private func confusions(_ weights: [Int]?) -> (labels: [Confusion], exact: Int, total: Int) {
    var result = [Confusion](repeating: Confusion(), count: labels.count)
    var (exact, total) = (0, 0)
    for patient in 0..<patients {
      let weight = weights?[patient] ?? 1
      guard weight > 0 else { continue }
      var right = true
      for label in labels.indices {
        let i = patient * labels.count + label
        result[label].add(decision: decisions[i], truth: truths[i], times: weight)
        if decisions[i] != truths[i] { right = false }
      }
      total += weight
      if right { exact += weight }
    }
    return (result, exact, total)
  }

  private static func mean(_ values: [Double?]) -> Double? {
    let defined = values.compactMap { $0 }
    return defined.isEmpty ? nil : defined.reduce(0, +) / Double(defined.count)
  }

  /// The measures over the whole matrix and their means over labels. `weights`: how often each patient counts.
  public func measures(weights: [Int]? = nil) -> [Measure] {
    let (confusions, exact, total) = confusions(weights)
    let all = confusions.reduce(Confusion(), +)
    let area = flattened.area(weights)
    let challenge: Double? = all.kappa.flatMap { kappa in area.map { (kappa + all.accuracy + $0) / 3 } }
    let values: [(String, Double?)] = [
      ("kappa", all.kappa), ("f1", all.accuracy), ("auc", area), ("final", challenge), ("f1_positive", all.f1),
      ("accuracy", all.accuracy), ("exact_match", total == 0 ? nil : Double(exact) / Double(total)),
      ("recall", all.recall), ("precision", all.precision), ("specificity", all.specificity),
      ("auc_macro", Self.mean(each.map { $0.area(weights) })),
      ("recall_macro", Self.mean(confusions.map(\.recall))),
      ("precision_macro", Self.mean(confusions.map(\.precision))),
      ("specificity_macro", Self.mean(confusions.map(\.specificity))),
      ("f1_macro", Self.mean(confusions.map(\.f1))),
    ]
    return values.map { Measure(key: $0.0, value: $0.1) }
  }

  /// The names of all `measures`.
  public static var keys: [String] {
    Evaluation(labels: [], probabilities: [], truths: []).measures().map(\.key)
  }

  /// The mean over labels of average precision.
  public var averagePrecisionMacro: Double? { Self.mean(each.map { $0.averagePrecision() }) }

  /// The measures of label `index` alone.
  public func label(_ index: Int) -> [Measure] {
    let confusion = confusions(nil).labels[index]
    let values: [(String, Double?)] = [
      ("auc", each[index].area(nil)), ("average_precision", each[index].averagePrecision()), ("f1", confusion.f1),
      ("recall", confusion.recall), ("precision", confusion.precision), ("specificity", confusion.specificity),
      ("kappa", confusion.kappa), ("support", Double(confusion.support)),
    ]
    return values.map { Measure(key: $0.0, value: $0.1) }
  }

  /// Measures over patients with exactly one label, decided by the largest probability.
  public var singleLabel: [Measure] {
    var pairs: [(truth: Int, decision: Int)] = []
    for patient in 0..<patients {
      let places = patient * labels.count..<(patient + 1) * labels.count
      let found = places.filter { truths[$0] }
      guard found.count == 1, var best = places.first else { continue }
      for i in places where probabilities[i] > probabilities[best] { best = i }
      pairs.append((found[0] - places.lowerBound, best - places.lowerBound))
    }
    let agreement = Agreement(pairs: pairs)
    let values: [(String, Double?)] = [
      ("patients", Double(pairs.count)), ("accuracy", agreement.accuracy), ("recall_macro", agreement.recallMacro),
      ("kappa", agreement.kappa(quadratic: false)), ("kappa_quadratic", agreement.kappa(quadratic: true)),
    ]
    return values.map { Measure(key: $0.0, value: $0.1) }
  }

  /// 95% intervals of `measures`: percentiles of `draws` resamples of the patients (Efron 1979). `below(n)` is uniform in
  /// 0 ..< n.
  public func intervals(draws: Int = 1000, below: (Int) -> Int) -> [String: (low: Double, high: Double)] {
    guard patients > 0 else { return [:] }
    var samples: [String: [Double]] = [:]
    var weights = [Int](repeating: 0, count: patients)
    for _ in 0..<draws {
      for patient in weights.indices { weights[patient] = 0 }
      for _ in 0..<patients { weights[below(patients)] += 1 }
      for measure in measures(weights: weights) {
        if let value = measure.value { samples[measure.key, default: []].append(value) }
      }
    }
    return samples.mapValues { values in
      let sorted = values.sorted()
      return (Self.percentile(sorted, 0.025), Self.percentile(sorted, 0.975))
    }
  }

  /// The `share` quantile of sorted values, linear between neighbours as in NumPy.
  public static func percentile(_ sorted: [Double], _ share: Double) -> Double {
    let place = share * Double(sorted.count - 1)
    let low = Int(place)
    let high = min(low + 1, sorted.count - 1)
    return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
  }

  /// What an evaluation would say of deciding "no" everywhere.
  public var allNegative: Evaluation {
    Evaluation(labels: labels, probabilities: Array(repeating: 0, count: probabilities.count), truths: truths)
  }

  /// What an evaluation would say of answering each label's frequency everywhere.
  public var labelFrequencies: Evaluation {
    let frequencies = labels.indices.map { label in
      Double(stride(from: label, to: truths.count, by: labels.count).count { truths[$0] }) / Double(max(1, patients))
    }
    return Evaluation(
      labels: labels, probabilities: probabilities.indices.map { frequencies[$0 % labels.count] }, truths: truths)
  }
}
