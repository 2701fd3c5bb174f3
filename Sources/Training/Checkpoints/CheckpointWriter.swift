import Foundation

/// Writes checkpoints on a thread of its own, one at a time, from copies, while training goes on.
final class CheckpointWriter {
  private let result = Outcome()

  /// What became of the checkpoint at hand.
  private final class Outcome: @unchecked Sendable {
    // Unchecked: touched under `condition` only.
    private let condition = NSCondition()
    private var isBusy = false
    private var failure: (any Error)?

    func begin() { condition.withLock { isBusy = true } }

    func end(_ result: Result<Void, any Error>) {
      condition.withLock {
        if case .failure(let error) = result { failure = error }
        isBusy = false
        condition.broadcast()
      }
    }

    func check(waiting: Bool) throws {
      try condition.withLock {
        while waiting, isBusy { condition.wait() }
        if let failure { throw failure }
      }
    }
  }

  /// What is written, and where.
  private struct Work: @unchecked Sendable {
    // Unchecked: the copies and the store are the thread's alone until it ends.
    let store: CheckpointStore
    let state: State
    let files: [(name: String, items: [Safetensors.Item])]
    let keep: Int

    func run() throws {
      try store.write(state, files: files)
      store.prune(upTo: state.step, keep: keep, best: state.bestStep)
    }
  }

  /// Begins to write; the one before is finished first.
  func write(
    _ state: State, _ files: [(name: String, items: [Safetensors.Item])], to store: CheckpointStore, keep: Int
  ) throws {
    try finish()
    let work = Work(store: store, state: state, files: files, keep: keep)
    result.begin()
    let thread = Thread { [result] in result.end(Result { try work.run() }) }
    thread.name = "checkpoint"
    thread.start()
  }

  /// Throws what went wrong with a checkpoint, without waiting for one that is being written.
  func check() throws { try result.check(waiting: false) }

  /// Waits until the newest checkpoint is whole.
  func finish() throws { try result.check(waiting: true) }
}
