import Foundation
import Training

/// What the network says of pairs, as people and scripts read it.
struct Answers {
  private let labels: [String]
  private let rows: [(id: String, probabilities: [String])]
  /// One a label; nil: nothing is decided.
  private let thresholds: [Double]?

  /// `values` [N,K] of `patients`.
  init(_ patients: [Patient], labels: [String], _ values: [Float], thresholds: [Double]?) {
    (self.labels, self.thresholds) = (labels, thresholds)
    rows = patients.enumerated().map { index, patient in
      let own = values[index * labels.count..<(index + 1) * labels.count]
      return (patient.id, own.map { String(format: "%.9g", Double($0)) })
    }
  }

  /// The challenge's format: the ID, then the probability of each label.
  var submission: String { ([["ID"] + labels] + rows.map { [$0.id] + $0.probabilities }).map(CSV.line).joined() }

  /// 1 for each probability above its label's threshold, 0 for others; nil where nothing is decided.
  private func decisions(_ probabilities: [String]) -> [Int]? {
    thresholds.map { zip(probabilities, $0).map { (Double($0) ?? 0) > $1 ? 1 : 0 } }
  }

  /// An object a pair.
  var objects: [[String: Any]] {
    rows.map { row in
      var object: [String: Any] = [
        "id": row.id,
        "probabilities": Dictionary(uniqueKeysWithValues: zip(labels, row.probabilities.map { Double($0) ?? 0 })),
      ]
      if let decisions = decisions(row.probabilities) {
        object["decisions"] = Dictionary(uniqueKeysWithValues: zip(labels, decisions))
      }
      return object
    }
  }

  /// A line a label, behind the ID where there are several pairs.
  var text: String {
    rows.flatMap { row in
      let decisions = decisions(row.probabilities)
      let lines = labels.indices.map { label in
        "\(labels[label])  \(row.probabilities[label])" + (decisions.map { "  \($0[label])" } ?? "")
      }
      return (rows.count > 1 ? [row.id.escaped()] : []) + lines
    }.joined(separator: "\n")
  }
}
