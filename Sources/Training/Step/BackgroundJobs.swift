import Foundation

/// A thread that does jobs 0, 1, 2, ... in order, each once it is released; then it can begin at 0 again.
final class BackgroundJobs: @unchecked Sendable {
  // Unchecked: everything that changes is touched under `condition` only.

  private let condition = NSCondition()
  private var released = 0
  private var finished = 0
  private var failure: (any Error)?
  private var times: [Range<UInt64>] = []
  private var isStopped = false

  /// Starts the thread; `job` is called on it.
  init(_ name: String, job: @escaping @Sendable (Int) throws -> Void) {
    let thread = Thread { [unowned(unsafe) self] in self.work(job) }
    thread.name = name
    thread.start()
  }

  /// Ends the thread, once the job at hand is done.
  func stop() {
    condition.withLock {
      isStopped = true
      condition.broadcast()
      while !hasEnded { condition.wait() }
    }
  }

  private var hasEnded = false

  /// Begins at job 0 again. To be called when all that was released is done.
  func restart() {
    condition.withLock {
      (released, finished) = (0, 0)
      times.removeAll(keepingCapacity: true)
    }
  }

  /// Lets jobs below `count` be done.
  func release(upTo count: Int) {
    condition.withLock {
      released = max(released, count)
      condition.broadcast()
    }
  }

  /// Waits until jobs below `count` are done; throws what went wrong with one.
  func wait(for count: Int) throws {
    try condition.withLock {
      while finished < count, failure == nil { condition.wait() }
      if let failure { throw failure }
    }
  }

  /// Seconds that jobs took since the last restart.
  var busySeconds: Double { spans.reduce(0) { $0 + Double($1.upperBound - $1.lowerBound) / 1e9 } }

  /// When each job since the last restart began and ended, in nanoseconds of the system's uptime.
  var spans: [Range<UInt64>] { condition.withLock { times } }

  private func work(_ job: (Int) throws -> Void) {
    while let next = next() {
      let start = DispatchTime.now().uptimeNanoseconds
      let result = Result { try job(next) }
      let end = DispatchTime.now().uptimeNanoseconds
      condition.withLock {
        if case .failure(let error) = result { failure = error }
        finished += 1
        times.append(start..<end)
        condition.broadcast()
      }
    }
    condition.withLock {
      hasEnded = true
      condition.broadcast()
    }
  }

  /// The next released job; nil at the end.
  private func next() -> Int? {
    condition.withLock {
      while !isStopped, finished == released || failure != nil { condition.wait() }
      return isStopped ? nil : finished
    }
  }
}
