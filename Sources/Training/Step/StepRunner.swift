import Foundation

/// The losses of a step or of a micro-batch, each already divided by the pairs of the whole step.
package struct StepLosses {
  /// The names in `metrics.jsonl`, which are those of the network's outputs; the first is the sum of the others.
  static let names = ["loss", "loss_patient", "loss_eyes", "loss_contrast"]

  /// A value a name; 0 for a part that the network lacks.
  package var values = [Float](repeating: 0, count: names.count)

  /// The loss that is trained on.
  package var total: Float { values[0] }
}

/// Runs forward pass, losses and backward pass over one micro-batch.
package struct StepRunner {
  let replica: Replica
  let seed: UInt64

  /// A runner of `replica`'s programs; `seed`: of the run.
  package init(_ replica: Replica, seed: UInt64) { (self.replica, self.seed) = (replica, seed) }

  /// Leaves the micro-batch's gradients in the replica's variables, or adds them to those that are there, and returns its losses.
  /// - Parameters:
  ///   - pairs: of the whole step.
  ///   - listener: what is to hear of each of the program's steps that is done, if anything.
  package func run(
    _ batch: Batch, pairs: Int, accumulates: Bool = false, listener: (Program) -> ((Int) -> Void)? = { _ in nil }
  ) throws -> StepLosses {
    let program = try replica.training(pairs: batch.examples.count, accumulates: accumulates)
    fill(program, batch, pairs: pairs)
    program.completed = listener(program)
    program.run()
    program.completed = nil
    return losses(program)
  }

  /// Runs all of this rank's micro-batches of the step `plan` side by side, with norms over the whole step, and returns the losses of
  /// each. Their gradients are in the replica's arrays, in the same order.
  package func run(_ batches: [Batch], _ plan: StepPlan, _ meeting: StepMeeting) throws -> [StepLosses] {
    let programs = try batches.enumerated().map { seat, batch in
      try replica.training(pairs: batch.examples.count, stepPairs: plan.pairs, seat: seat)
    }
    for (program, batch) in zip(programs, batches) { fill(program, batch, pairs: plan.pairs) }
    try meeting.run(programs)
    return programs.map(losses)
  }

  private func losses(_ program: Program) -> StepLosses {
    StepLosses(values: StepLosses.names.map { program.scalar($0) ?? 0 })
  }

  private func fill(_ program: Program, _ batch: Batch, pairs: Int) {
    program.fill("images") { batch.copyImages(into: $0) }
    program.set("labels", batch.labels)
    program.set("eye_labels", batch.eyeLabels)
    program.set("pairs", [Float(pairs)])
    program.fillBytes("keys") { bytes in
      let words = bytes.bindMemory(to: UInt32.self)
      for (index, example) in batch.examples.enumerated() {
        words[4 * index] = UInt32(truncatingIfNeeded: seed)
        words[4 * index + 1] = UInt32(truncatingIfNeeded: seed >> 32)
        words[4 * index + 2] = UInt32(truncatingIfNeeded: example.epoch)
        words[4 * index + 3] = UInt32(truncatingIfNeeded: example.position)
      }
    }
  }
}
