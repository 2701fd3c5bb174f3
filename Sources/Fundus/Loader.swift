import Foundation
import Tensors

/// Prefetches batches: makes them ready, down to the values that the network reads, on threads of its own, never more than a few
/// before they are used.
///
/// Batches come in order and do not depend on the number of threads. A photograph that cannot be read surfaces from `next`
/// when its batch comes up, with its patient; what is odd about one that can is added to the data set's `warnings`.
public final class Loader {
  private let source: () throws -> Batch?
  private let stop: () -> Void

  /// - Parameters:
  ///   - batches: the examples of batch 0, 1, ...; nil after the last.
  ///   - change: what happens to each pair.
  ///   - workers: threads.
  ///   - prefetch: batches prepared before they are asked for.
  public init(
    _ dataset: Dataset, _ preparation: Preparation, change: @escaping @Sendable (Example) -> PairChange, workers: Int,
    prefetch: Int = 3, batches: @escaping @Sendable (Int) -> [Example]?
  ) {
    let renderer = PairRenderer(dataset: dataset, preparation: preparation, change: change)
    let queue = Queue(renderer, prefetch: max(1, prefetch), batches: batches)
    (source, stop) = (queue.next, queue.stop)
    for index in 0..<max(1, workers) {
      let thread = Thread { queue.work() }
      thread.name = "loader-\(index)"
      thread.start()
    }
  }

  /// The same with the changes of `augmentation`; nil: none.
  public convenience init(
    _ dataset: Dataset, _ preparation: Preparation, augmentation: Augmentation?, workers: Int, prefetch: Int = 3,
    batches: @escaping @Sendable (Int) -> [Example]?
  ) {
    self.init(
      dataset, preparation, change: { augmentation?.change($0) ?? .none }, workers: workers, prefetch: prefetch,
      batches: batches)
  }

  /// Hands `batches` over again and again, for measurements of what comes after loading.
  public init(repeating batches: [Batch]) {
    var count = 0
    source = {
      defer { count += 1 }
      return batches[count % batches.count]
    }
    stop = {}
  }

  deinit { stop() }

  /// The next batch, nil after the last.
  public func next() throws -> Batch? { try source() }
}

/// What loader threads and their consumer share.
private final class Queue: @unchecked Sendable {
  // Unchecked: everything that changes is touched under `condition` only.

  private struct Slot {
    let examples: [Example]
    let buffer: ImageBuffer
    var taken = 0
    var open: Int
    /// What went wrong with which pair, of several the first.
    var failed: (pair: Int, failure: Failure)?
  }

  private let renderer: PairRenderer
  private let imageCount: Int
  private let prefetch: Int
  private let batches: @Sendable (Int) -> [Example]?
  private let condition = NSCondition()
  private var slots: [Slot] = []
  private var buffers = ImageBuffers()
  private var first = 0
  private var isExhausted = false
  private var isStopped = false

  init(_ renderer: PairRenderer, prefetch: Int, batches: @escaping @Sendable (Int) -> [Example]?) {
    (self.renderer, self.prefetch, self.batches) = (renderer, prefetch, batches)
    imageCount = renderer.preparation.byteCount
  }

  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    condition.unlock()
  }

  /// The batch and pair to prepare next; waits while enough is ready, nil when there is nothing left.
  private func task() -> (batch: Int, pair: Int, of: Int, example: Example, buffer: ImageBuffer)? {
    condition.lock()
    defer { condition.unlock() }
    while !isStopped {
      if let index = slots.firstIndex(where: { $0.taken < $0.examples.count }) {
        let slot = slots[index]
        slots[index].taken += 1
        return (first + index, slot.taken, slot.examples.count, slot.examples[slot.taken], slot.buffer)
      }
      if isExhausted { return nil }
      if slots.count < prefetch {
        guard let examples = batches(first + slots.count) else {
          isExhausted = true
          condition.broadcast()
          return nil
        }
        let buffer = buffers.take(2 * examples.count * imageCount)
        slots.append(Slot(examples: examples, buffer: buffer, open: examples.count))
        condition.broadcast()
      } else {
        condition.wait()
      }
    }
    return nil
  }

  func work() {
    var scratch: ImageBuffer?
    while let task = task() {
      func image(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: task.buffer.values[index * imageCount..<(index + 1) * imageCount])
      }
      let result = Result {
        try renderer.render(task.example, into: [image(task.pair), image(task.of + task.pair)], &scratch)
      }
      condition.lock()
      let index = task.batch - first
      if case .failure(let error) = result, slots[index].failed.map({ $0.pair > task.pair }) ?? true {
        slots[index].failed = (task.pair, error as? Failure ?? Failure(.data, "\(error)"))
      }
      slots[index].open -= 1
      if slots[index].open == 0 { condition.broadcast() }
      condition.unlock()
    }
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
    if let failed = slot.failed { throw failed.failure }
    let labels = slot.examples.map(renderer.labels)
    let eyes = [0, 1].flatMap { side in labels.flatMap { $0.eyes.isEmpty ? [] : $0.eyes[side] } }
    return Batch(
      examples: slot.examples, labels: labels.flatMap(\.patient), eyeLabels: eyes, slot.buffer,
      count: 2 * slot.examples.count * imageCount)
  }
}
