import Foundation
import Synchronization

/// Where a rank is: its step, what it does, and its newest collective. Telling it costs a store of a few words; the watch reads it
/// from a thread of its own.
public final class Whereabouts: Sendable {
  /// What the rank's own thread does.
  public enum Activity: UInt8, Sendable {
    case starting, preparing, loading, computing, waiting, writing, evaluating
  }

  /// What the rank says of itself at one moment.
  package struct Snapshot: Sendable, Equatable {
    /// The last step that is done.
    package var step = 0
    package var activity = Activity.starting
    /// Seconds that the activity has lasted.
    package var seconds = 0.0
    /// How many collectives it has come to.
    package var sequence = 0
    /// The newest of them.
    package var collective: Collective?
    /// Whether it is in that now.
    package var isInside = false
    /// Nanoseconds of its own work on so many micro-batches.
    package var worked = 0, microBatches = 0

    /// Of a rank that has just begun.
    package init() {}
  }

  private let owner = pthread_self()
  private let stepWord = Atomic<Int>(0)
  private let activityWord = Atomic<UInt8>(Activity.starting.rawValue)
  private let since = Atomic<UInt64>(DispatchTime.now().uptimeNanoseconds)
  private let sequenceWord = Atomic<Int>(0)
  /// The newest collective's word, and above it whether the rank is in it.
  private let collectiveWord = Atomic<UInt64>(UInt64.max)
  private static let inside: UInt64 = 1 << 40
  private let workedWord = Atomic<Int>(0)
  private let microBatchWord = Atomic<Int>(0)

  /// Of a rank whose own thread is the caller's.
  public init() {}

  /// Step `step` is done.
  public func finished(step: Int) { stepWord.store(step, ordering: .relaxed) }

  /// This rank has spent so much time of its own on so many micro-batches more.
  public func worked(seconds: Double, microBatches: Int) {
    workedWord.add(Int(seconds * 1e9), ordering: .relaxed)
    microBatchWord.add(microBatches, ordering: .relaxed)
  }

  /// Runs `body`, which is `activity`; then goes on with what was done before.
  public func during<Result>(_ activity: Activity, _ body: () throws -> Result) rethrows -> Result {
    let before = activityWord.load(ordering: .relaxed)
    begin(activity.rawValue)
    defer { begin(before) }
    return try body()
  }

  private func begin(_ activity: UInt8) {
    activityWord.store(activity, ordering: .relaxed)
    since.store(DispatchTime.now().uptimeNanoseconds, ordering: .relaxed)
  }

  /// Runs `body`, which is `collective`. On another thread than the rank's own it says nothing of what that does meanwhile.
  func during<Result>(_ collective: Collective, _ body: () throws -> Result) rethrows -> Result {
    sequenceWord.add(1, ordering: .relaxed)
    collectiveWord.store(collective.word | Self.inside, ordering: .relaxed)
    defer { collectiveWord.store(collective.word, ordering: .relaxed) }
    return try pthread_equal(pthread_self(), owner) != 0 ? during(.waiting, body) : body()
  }

  /// The number of the collective that the rank came to last.
  var sequence: Int { sequenceWord.load(ordering: .relaxed) }

  /// Where the rank is now. Taken while it changes, parts may be of neighbouring moments.
  var snapshot: Snapshot {
    let word = collectiveWord.load(ordering: .relaxed)
    let begun = since.load(ordering: .relaxed)
    let now = DispatchTime.now().uptimeNanoseconds
    var result = Snapshot()
    result.step = stepWord.load(ordering: .relaxed)
    result.activity = Activity(rawValue: activityWord.load(ordering: .relaxed)) ?? .starting
    result.seconds = now > begun ? Double(now - begun) / 1e9 : 0
    result.sequence = sequence
    result.collective = Collective(word: word)
    result.isInside = word < .max && word & Self.inside != 0
    result.worked = workedWord.load(ordering: .relaxed)
    result.microBatches = microBatchWord.load(ordering: .relaxed)
    return result
  }
}

extension Whereabouts.Activity: CustomStringConvertible {
  /// For people.
  public var description: String {
    switch self {
    case .starting: "starting"
    case .preparing: "preparing pairs"
    case .loading: "loading photographs"
    case .computing: "computing"
    case .waiting: "waiting in MPI"
    case .writing: "writing a checkpoint"
    case .evaluating: "evaluating"
    }
  }
}
