import Foundation

/// When each step of a program began and ended on each thread, in nanoseconds of one clock.
public final class Recording: @unchecked Sendable {
  // Unchecked: each thread writes its own places.
  private let times: UnsafeMutableBufferPointer<UInt64>
  private let steps: Int

  /// Room for runs of `program` on `threads` threads.
  public init(_ program: Program, threads: Int) {
    steps = program.steps.count
    times = .allocate(capacity: 2 * steps * threads)
    times.initialize(repeating: 0)
  }

  deinit { times.deallocate() }

  /// The newest run's time of `step` on `thread`; its end includes the wait for the other threads.
  public subscript(thread thread: Int, step step: Int) -> Range<UInt64> {
    let place = 2 * (thread * steps + step)
    return times[place]..<max(times[place], times[place + 1])
  }

  func begin(_ thread: Int, _ step: Int) { times[2 * (thread * steps + step)] = Self.now }
  func end(_ thread: Int, _ step: Int) { times[2 * (thread * steps + step) + 1] = Self.now }

  /// The clock.
  public static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
