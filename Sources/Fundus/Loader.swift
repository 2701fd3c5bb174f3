import Foundation
import Tensors

/// Pairs ready for the network.
public struct Batch: Sendable {
  /// Where the pairs stand in the run.
  public let examples: [Example]
  /// RGB bytes of each pair, left and right.
  let pictures: [(left: [UInt8], right: [UInt8])]
  /// [B,K].
  public let labels: [Float]
  /// [2,B,K], left eyes first.
  public let eyeLabels: [Float]

  /// Writes the normalised images [2B,H,W,3], left ones first.
  public func normalise(into target: UnsafeMutableBufferPointer<Float>) {
    let all = pictures.map(\.left) + pictures.map(\.right)
    let count = target.count / max(1, all.count)
    for (index, bytes) in all.enumerated() {
      Preparation.normalise(
        bytes, into: UnsafeMutableBufferPointer(rebasing: target[index * count..<(index + 1) * count]))
    }
  }
}

/// Prefetches batches: decodes and prepares them on threads of its own, never more than a few before they are used.
///
/// Batches come in order and do not depend on the number of threads. A photograph that cannot be read surfaces from `next`
/// when its batch comes up, with its patient; what is odd about one that can is added to the data set's `warnings`.
public final class Loader {
  private let queue: Queue

  /// - Parameters:
  ///   - batches: the examples of batch 0, 1, ...; nil after the last.
  ///   - augmentation: nil for evaluation.
  ///   - workers: threads.
  ///   - prefetch: batches prepared before they are asked for.
  public init(
    _ dataset: Dataset, _ preparation: Preparation, augmentation: Augmentation?, workers: Int, prefetch: Int = 3,
    batches: @escaping @Sendable (Int) -> [Example]?
  ) {
    queue = Queue(dataset, preparation, augmentation, prefetch: max(1, prefetch), batches: batches)
    for index in 0..<max(1, workers) {
      let thread = Thread { [queue] in queue.work() }
      thread.name = "loader-\(index)"
      thread.start()
    }
  }

  deinit { queue.stop() }

  /// The next batch, nil after the last.
  public func next() throws -> Batch? { try queue.next() }
}

/// What loader threads and their consumer share.
private final class Queue: @unchecked Sendable {
  // Unchecked: everything that changes is touched under `condition` only.

  private struct Slot {
    let examples: [Example]
    var pairs: [Result<(left: [UInt8], right: [UInt8]), Failure>?]
    var taken = 0
    var open: Int
  }

  private let dataset: Dataset
  private let preparation: Preparation
  private let augmentation: Augmentation?
  private let prefetch: Int
  private let batches: @Sendable (Int) -> [Example]?
  private let condition = NSCondition()
  private var slots: [Slot] = []
  private var first = 0
  private var isExhausted = false
  private var isStopped = false

  init(
    _ dataset: Dataset, _ preparation: Preparation, _ augmentation: Augmentation?, prefetch: Int,
    batches: @escaping @Sendable (Int) -> [Example]?
  ) {
    (self.dataset, self.preparation, self.augmentation, self.prefetch) = (dataset, preparation, augmentation, prefetch)
    self.batches = batches
  }

  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    condition.unlock()
  }

  /// The batch and pair to prepare next; waits while enough is ready, nil when there is nothing left.
  private func task() -> (batch: Int, pair: Int, example: Example)? {
    condition.lock()
    defer { condition.unlock() }
    while !isStopped {
      if let index = slots.firstIndex(where: { $0.taken < $0.examples.count }) {
        slots[index].taken += 1
        return (first + index, slots[index].taken - 1, slots[index].examples[slots[index].taken - 1])
      }
      if isExhausted { return nil }
      if slots.count < prefetch {
        guard let examples = batches(first + slots.count) else {
          isExhausted = true
          condition.broadcast()
          return nil
        }
        slots.append(
          Slot(examples: examples, pairs: Array(repeating: nil, count: examples.count), open: examples.count))
        condition.broadcast()
      } else {
        condition.wait()
      }
    }
    return nil
  }

  func work() {
    while let task = task() {
      let result = Result { try prepare(task.example) }.mapError { $0 as? Failure ?? Failure(.data, "\($0)") }
      condition.lock()
      let index = task.batch - first
      slots[index].pairs[task.pair] = result
      slots[index].open -= 1
      if slots[index].open == 0 { condition.broadcast() }
      condition.unlock()
    }
  }

  private func prepare(_ example: Example) throws -> (left: [UInt8], right: [UInt8]) {
    let patient = dataset.patients[example.patient]
    func load(_ path: String) throws -> [UInt8] {
      do { return try preparation.load(path, dataset.warnings) } catch let failure as Failure {
        throw Failure(failure.kind, "patient \(patient.id): \(failure.message)", hint: failure.hint)
      }
    }
    let (left, right) = (try load(patient.left), try load(patient.right))
    guard augmentation?.mirrors(example) == true else { return (left, right) }
    let width = preparation.width
    return (Augmentation.mirrored(right, width: width), Augmentation.mirrored(left, width: width))
  }

  func next() throws -> Batch? {
    condition.lock()
    while !(slots.first.map { $0.open == 0 } ?? (isExhausted && slots.isEmpty)) { condition.wait() }
    let slot = slots.first
    if slot != nil {
      slots.removeFirst()
      first += 1
      condition.broadcast()
    }
    condition.unlock()
    guard let slot else { return nil }
    let pairs = try slot.pairs.compactMap { try $0?.get() }
    let patients = slot.examples.map { dataset.patients[$0.patient] }
    let mirrored = slot.examples.map { augmentation?.mirrors($0) ?? false }
    let eyes = [0, 1].flatMap { side in
      zip(patients, mirrored).flatMap { patient, mirrored in
        patient.eyeLabels.isEmpty ? [] : patient.eyeLabels[mirrored ? 1 - side : side].map(Float.init)
      }
    }
    return Batch(
      examples: slot.examples, pictures: pairs, labels: patients.flatMap { $0.labels.map(Float.init) }, eyeLabels: eyes)
  }
}
