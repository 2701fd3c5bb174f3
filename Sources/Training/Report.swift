import Foundation

/// An evaluation as people and scripts read it.
public struct Report {
  /// The patients, in the order of the probabilities.
  private let patients: [Patient]
  /// The evaluation.
  public let evaluation: Evaluation
  private let written: [String]
  private let intervals: [String: (low: Double, high: Double)]

  /// Measures are computed from the probabilities as `predictions.csv` holds them, so that they can be checked from it.
  public init(_ patients: [Patient], labels: [String], probabilities: [Float], seed: UInt64) {
    self.patients = patients
    written = probabilities.map { String(format: "%.9g", Double($0)) }
    evaluation = Evaluation(
      labels: labels, probabilities: written.map { Double($0) ?? 0 },
      truths: patients.flatMap { $0.labels.map { $0 == 1 } })
    var stream = CounterRandom(seed: seed).stream(.bootstrap)
    intervals = evaluation.intervals { stream.below($0) }
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

  /// All measures by their names.
  public var object: [String: Any] {
    var result = Self.object(evaluation.measures())
    result["average_precision_macro"] = evaluation.averagePrecisionMacro.map { $0 as Any } ?? NSNull()
    result["patients"] = evaluation.patients
    result["intervals"] = intervals.mapValues { [$0.low, $0.high] }
    result["labels"] = Dictionary(
      uniqueKeysWithValues: evaluation.labels.enumerated().map {
        ($0.element, Self.object(evaluation.label($0.offset)))
      })
    result["single_label"] = Self.object(evaluation.singleLabel)
    result["all_negative"] = Self.object(evaluation.allNegative.measures())
    result["label_frequencies"] = Self.object(evaluation.labelFrequencies.measures())
    return result
  }

  /// `metrics.json`: this report, of the weights that evaluation uses, and beside it that of the raw ones where those are
  /// averaged.
  public func metrics(raw: Report?, step: Int) -> [String: Any] {
    var result = object
    result["step"] = step
    result["weights"] = raw == nil ? "model" : "ema"
    if let raw { result["model"] = raw.object }
    return result
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
