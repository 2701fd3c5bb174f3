/// From a pair's place in the run to the values and labels that the network gets.
struct PairRenderer: Sendable {
  let dataset: Dataset
  let preparation: Preparation
  /// What happens to a pair.
  let change: @Sendable (Example) -> PairChange

  /// Writes both images of a pair to `targets`; `scratch` is the worker's memory for a pair that is mixed in.
  func render(
    _ example: Example, into targets: [UnsafeMutableBufferPointer<Float>], _ scratch: inout ImageBuffer?
  ) throws {
    let change = change(example)
    try render(example.patient, change, targets)
    guard let mixed = change.mixed else { return }
    let count = preparation.byteCount
    let memory = scratch ?? ImageBuffer(count: 2 * count)
    scratch = memory
    let others = [0, 1].map { UnsafeMutableBufferPointer(rebasing: memory.values[$0 * count..<($0 + 1) * count]) }
    try render(mixed.partner, mixed.change, others)
    for (target, other) in zip(targets, others) { Mixup.mix(target, UnsafeBufferPointer(other), share: mixed.share) }
  }

  private func render(_ patient: Int, _ change: PairChange, _ targets: [UnsafeMutableBufferPointer<Float>]) throws {
    try dataset.withPair(patient, preparation) { pair in
      for (side, picture) in change.pictures.enumerated() {
        picture.render(
          pair[change.exchangesEyes ? 1 - side : side], height: preparation.height, width: preparation.width,
          into: targets[side])
      }
    }
  }

  /// The labels of a pair and of its eyes, left first; none where the data set has none.
  func labels(_ example: Example) -> (patient: [Float], eyes: [[Float]]) {
    func labels(_ place: Int, _ change: PairChange) -> (patient: [Float], eyes: [[Float]]) {
      let patient = dataset.patients[place]
      let eyes = patient.eyeLabels.map { $0.map(Float.init) }
      return (patient.labels.map(Float.init), change.exchangesEyes ? eyes.reversed() : eyes)
    }
    let change = change(example)
    let own = labels(example.patient, change)
    guard let mixed = change.mixed else { return own }
    let other = labels(mixed.partner, mixed.change)
    return (
      Mixup.mix(own.patient, other.patient, share: mixed.share),
      zip(own.eyes, other.eyes).map { Mixup.mix($0, $1, share: mixed.share) }
    )
  }
}
