import Foundation

/// An evaluation as people and scripts read it.
public struct Report {
  /// The patients, in the order of the probabilities.
  private let patients: [Patient]
  /// The evaluation.
  public let evaluation: Evaluation
  private let written: [String]
  private let seed: UInt64
  private let intervals: [String: (low: Double, high: Double)]

  /// Measures are computed from the probabilities as `predictions.csv` holds them, so that they can be checked from it.
  public init(_ patients: [Patient], labels: [String], probabilities: [Float], seed: UInt64) {
    self.patients = patients
    written = probabilities.map { String(format: "%.9g", Double($0)) }
    evaluation = Evaluation(
      labels: labels, probabilities: written.map { Double($0) ?? 0 },
      truths: patients.flatMap { $0.labels.map { $0 == 1 } })
    self.seed = seed
    intervals = Self.intervals(evaluation, seed)
  }

  private static func intervals(_ evaluation: Evaluation, _ seed: UInt64) -> [String: (low: Double, high: Double)] {
    var stream = CounterRandom(seed: seed).stream(.bootstrap)
    return evaluation.intervals { stream.below($0) }
  }

  /// `ID,` then for each label `<label>_label,<label>_probability`, sorted by ID.
  public var csv: String {
    let header = ["ID"] + evaluation.labels.flatMap { ["\($0)_label", "\($0)_probability"] }
    let rows = patients.enumerated().map { index, patient in
      [patient.id]
        + patient.labels.enumerated().flatMap { ["\($0.element)", written[index * patient.labels.count + $0.offset]] }
    }
    return ([header] + rows).map(CSV.line).joined()
  }

  private static func object(_ measures: [Evaluation.Measure]) -> [String: Any] {
    Dictionary(uniqueKeysWithValues: measures.map { ($0.key, $0.value.map { $0 as Any } ?? NSNull()) })
  }

  /// The measures of `evaluation` with their intervals.
  private static func object(
    _ evaluation: Evaluation, _ intervals: [String: (low: Double, high: Double)]
  ) -> [String: Any] {
    var result = object(evaluation.measures())
    result["patients"] = evaluation.patients
    result["intervals"] = intervals.mapValues { [$0.low, $0.high] }
    return result
  }

  private static func labels(_ evaluation: Evaluation) -> [String: Any] {
    Dictionary(
      uniqueKeysWithValues: evaluation.labels.enumerated().map { ($0.element, object(evaluation.label($0.offset))) })
  }

  /// All measures by their names.
  public var object: [String: Any] {
    var result = Self.object(evaluation, intervals)
    result["average_precision_macro"] = evaluation.averagePrecisionMacro.map { $0 as Any } ?? NSNull()
    result["labels"] = Self.labels(evaluation)
    result["single_label"] = Self.object(evaluation.singleLabel)
    result["all_negative"] = Self.object(evaluation.allNegative.measures())
    result["label_frequencies"] = Self.object(evaluation.labelFrequencies.measures())
    return result
  }

  /// The thresholds that suit these patients best, by label.
  public var thresholds: [String: Double] {
    Dictionary(uniqueKeysWithValues: zip(evaluation.labels, evaluation.tunedThresholds))
  }

  /// All measures with decisions above `thresholds`, by label.
  private func tuned(_ thresholds: [String: Double]) -> [String: Any] {
    let tuned = evaluation.deciding(above: evaluation.labels.map { thresholds[$0] ?? 0.5 })
    var result = Self.object(tuned, Self.intervals(tuned, seed))
    (result["labels"], result["thresholds"]) = (Self.labels(tuned), thresholds)
    return result
  }

  /// The measures of groups of patients: by what they share, then by the group's name.
  private var subgroups: [String: [String: Any]] {
    Subgroups(patients).groups.reduce(into: [:]) { result, group in
      let part = evaluation.selecting(group.members)
      result[group.kind, default: [:]][group.name] = Self.object(part, Self.intervals(part, seed))
    }
  }

  /// `metrics.json`: this report, of the weights that evaluation uses, of groups of patients and with decisions above `thresholds` where
  /// there are any, and beside it that of the raw weights where those are averaged.
  public func metrics(raw: Report?, step: Int, thresholds: [String: Double]? = nil) -> [String: Any] {
    var result = object
    result["subgroups"] = subgroups
    if let thresholds { result["tuned"] = tuned(thresholds) }
    result["step"] = step
    result["weights"] = raw == nil ? "model" : "ema"
    if let raw { result["model"] = raw.object }
    return result
  }

  /// How answers change, from `plain` to `swapped`, when the eyes of each pair are exchanged; both [N,K].
  public static func swap(_ patients: [Patient], labels: [String], _ plain: [Float], _ swapped: [Float]) -> [String:
    Any]
  {
    let truths = patients.flatMap(\.labels).map { $0 == 1 }
    let evaluations = [plain, swapped].map {
      Evaluation(labels: labels, probabilities: $0.map(Double.init), truths: truths)
    }
    return object(evaluations[0].changes(in: evaluations[1]))
  }

  /// The measure `key`; nil where it is not defined.
  public func value(_ key: String) -> Double? { evaluation.measures().first { $0.key == key }?.value }

  /// A table for the terminal, with the rows that need no network beside it.
  public var table: String {
    func text(_ value: Double?) -> String { value.map { String(format: "%.4f", $0) } ?? "-" }
    func row(_ cells: [String]) -> String {
      cells.enumerated().map { index, cell in
        let width = index == 0 ? 20 : index == 2 ? 18 : 14
        return cell + String(repeating: " ", count: max(1, width - cell.count))
      }.joined().trimmingCharacters(in: .whitespaces)
    }
    let negative = Dictionary(uniqueKeysWithValues: evaluation.allNegative.measures().map { ($0.key, $0.value) })
    let frequencies = Dictionary(
      uniqueKeysWithValues: evaluation.labelFrequencies.measures().map { ($0.key, $0.value) })
    var lines = [row(["\(evaluation.patients) patients", "", "95% interval", "all negative", "frequencies"])]
    for measure in evaluation.measures() {
      let interval = intervals[measure.key].map { "\(text($0.low)) - \(text($0.high))" } ?? ""
      lines.append(
        row([
          measure.key, text(measure.value), interval, text(negative[measure.key] ?? nil),
          text(frequencies[measure.key] ?? nil),
        ]))
    }
    lines.append(row(["label", "support", "recall", "precision", "auc"]))
    for (index, label) in evaluation.labels.enumerated() {
      let values = Dictionary(uniqueKeysWithValues: evaluation.label(index).map { ($0.key, $0.value) })
      let support = String(Int((values["support"] ?? nil) ?? 0))
      lines.append(
        row([
          label, support, text(values["recall"] ?? nil), text(values["precision"] ?? nil), text(values["auc"] ?? nil),
        ]))
    }
    return lines.joined(separator: "\n")
  }
}
