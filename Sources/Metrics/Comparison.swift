/// Parts of an evaluation, and how two of the same patients differ.
extension Evaluation {
  /// The evaluation of the patients at `places` alone.
  public func selecting(_ places: [Int]) -> Evaluation {
    func those<Element>(_ values: [Element]) -> [Element] {
      places.flatMap { values[$0 * labels.count..<($0 + 1) * labels.count] }
    }
    var result = Evaluation(labels: labels, probabilities: those(probabilities), truths: those(truths))
    result.decisions = those(decisions)
    return result
  }

  /// How `other` answers the same patients otherwise: the share of decisions that differ and of patients of whom one does, and the
  /// mean distance of probabilities.
  public func changes(in other: Evaluation) -> [Measure] {
    precondition(other.probabilities.count == probabilities.count && other.labels == labels)
    let changed = decisions.indices.filter { decisions[$0] != other.decisions[$0] }
    let distance = zip(probabilities, other.probabilities).reduce(0) { $0 + abs($1.0 - $1.1) }
    func share(_ part: Double, _ whole: Int) -> Double? { whole == 0 ? nil : part / Double(whole) }
    return [
      Measure(key: "changed_labels", value: share(Double(changed.count), decisions.count)),
      Measure(
        key: "changed_patients",
        value: share(Double(Set(changed.map { $0 / labels.count }).count), patients)),
      Measure(key: "mean_distance", value: share(distance, probabilities.count)),
    ]
  }
}
