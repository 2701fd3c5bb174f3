import Atomics
import Foundation

/// Work that every thread of a team does together.
public protocol TeamWork: AnyObject, Sendable {
  /// Called once on each thread; `thread` is 0 ..< `team.count`. `team.barrier()` waits for all of them.
  func run(thread: Int, team: ThreadTeam)
}

/// A fixed set of threads that run the same work in lockstep; the caller is thread 0.
///
/// Between pieces of work the others sleep; inside one they wait at barriers, which spin briefly and then yield, so that more threads
/// than cores still make progress. Running work allocates nothing.
public final class ThreadTeam: @unchecked Sendable {
  // Unchecked: `work` and `generation` are only used under `mutex`, everything else is atomic or constant.

  /// The number of threads, the caller included.
  public let count: Int

  private var work: (any TeamWork)?
  private var generation = 0
  private var stopping = false
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  private let arrived = ManagedAtomic<Int>(0)
  private let phase = ManagedAtomic<Int>(0)
  /// How many chunks of each thread's range are taken.
  private let taken: [ManagedAtomic<Int>]
  private let running = ManagedAtomic<Int>(0)

  /// The most threads for each processor that this process may use: more would only wait for one another, at every barrier.
  private static let crowd = 16

  /// Starts threads until the team has `count`, at least 1, or as many as the processors can use. Fails where the system does not
  /// allow as many.
  public init(count: Int) throws {
    precondition(count >= 1)
    let count = min(count, Self.crowd * ProcessInfo.processInfo.activeProcessorCount)
    self.count = count
    taken = (0..<count).map { _ in ManagedAtomic(0) }
    mutex = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
    for index in 1..<max(1, count) {
      let code = start(index)
      guard code == 0 else {
        throw Failure(.run, "cannot start thread \(index + 1) of \(count): \(String(cString: strerror(code)))")
      }
    }
  }

  /// Starts thread `index`; the error's number, or 0. Not by Foundation's `Thread`, which does not report that a thread could not start.
  private func start(_ index: Int) -> Int32 {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 4 << 20)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let entry = Unmanaged.passRetained(Entry(team: self, index: index))
    running.wrappingIncrement(ordering: .relaxed)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        let entry = Unmanaged<Entry>.fromOpaque(argument).takeRetainedValue()
        Thread.current.name = "team-\(entry.index)"
        entry.team.serve(entry.index)
        return nil
      }, entry.toOpaque())
    if code != 0 {
      entry.release()
      running.wrappingDecrement(ordering: .relaxed)
    }
    return code
  }

  /// What a new thread is given. Unowned and unchecked: a team waits for its threads before it is freed, also where it fails to start.
  private final class Entry {
    unowned(unsafe) let team: ThreadTeam
    let index: Int
    init(team: ThreadTeam, index: Int) { (self.team, self.index) = (team, index) }
  }

  deinit {
    pthread_mutex_lock(mutex)
    stopping = true
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
    while running.load(ordering: .acquiring) > 0 { sched_yield() }
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    mutex.deallocate()
  }

  /// Runs `work` on every thread and returns when all have finished. Only one caller at a time.
  public func run(_ work: any TeamWork) {
    guard count > 1 else { return work.run(thread: 0, team: self) }
    pthread_mutex_lock(mutex)
    self.work = work
    generation += 1
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
    work.run(thread: 0, team: self)
    barrier()
    self.work = nil
  }

  /// Shares chunks `0 ..< count` among the threads and waits for all of them. Each thread takes the chunks of a range of its own in
  /// order, and then what is left of the others' ranges: which thread does a chunk depends on their speed, the result does not.
  public func share(_ count: Int, _ thread: Int, _ body: (Int) -> Void) {
    guard self.count > 1 else {
      for chunk in 0..<count { body(chunk) }
      return
    }
    for offset in 0..<self.count {
      let owner = (thread + offset) % self.count
      let range = count * owner / self.count..<count * (owner + 1) / self.count
      while true {
        let chunk = range.lowerBound + taken[owner].loadThenWrappingIncrement(ordering: .relaxed)
        guard chunk < range.upperBound else { break }
        body(chunk)
      }
    }
    barrier()
  }

  /// Waits until every thread has come here.
  public func barrier() {
    guard count > 1 else { return }
    let mine = phase.load(ordering: .acquiring)
    if arrived.wrappingIncrementThenLoad(ordering: .acquiringAndReleasing) == count {
      arrived.store(0, ordering: .relaxed)
      for owner in 0..<count { taken[owner].store(0, ordering: .relaxed) }
      phase.store(mine &+ 1, ordering: .releasing)
      return
    }
    var spins = 0
    while phase.load(ordering: .acquiring) == mine {
      spins += 1
      if spins > 4_000 { sched_yield() }
    }
  }

  private func serve(_ index: Int) {
    var seen = 0
    while true {
      pthread_mutex_lock(mutex)
      while generation == seen && !stopping { pthread_cond_wait(wake, mutex) }
      seen = generation
      let current = stopping ? nil : work
      pthread_mutex_unlock(mutex)
      guard let current else { break }
      current.run(thread: index, team: self)
      barrier()
    }
    running.wrappingDecrement(ordering: .releasing)
  }
}
