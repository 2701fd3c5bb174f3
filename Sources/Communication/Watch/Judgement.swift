/// What one rank knows of another, or of itself.
package struct RankView {
  /// What it said last.
  package var place = Whereabouts.Snapshot()
  /// Seconds since it got on by itself, by its own word; `silence` comes on top.
  package var idle = 0.0
  /// Seconds since it was heard; 0 of this rank itself.
  package var silence = 0.0
  /// Whether it was ever heard.
  package var isHeard = false
  /// Whether it has left the run.
  package var hasLeft = false

  /// Of a rank that was not heard yet.
  package init() {}
}

/// Who keeps the others waiting. A pure function of what is known.
///
/// A rank gets on where its threads compute, where it reads or writes, or where it comes to another collective (`Vitals`). One that
/// waits for others in a collective need not. So a rank is stalled that for the time allowed was not heard of, or neither got on
/// nor waited for others. Where all wait for one another, those are stalled that wait elsewhere than most.
package struct Judgement {
  /// What is wrong with a rank.
  package enum Cause: Equatable {
    /// It was not heard of.
    case silent
    /// It does not get on with what it does.
    case idle
    /// It waits in another collective than most.
    case elsewhere
    /// All wait in the same collective.
    case together
    /// It has left the run.
    case left
  }

  /// A rank and what is wrong with it.
  package struct Stalled: Equatable {
    package let rank: Int
    package let cause: Cause

    /// Rank `rank`, for `cause`.
    package init(rank: Int, cause: Cause) { (self.rank, self.cause) = (rank, cause) }
  }

  /// The stalled ranks; empty where all is well.
  package let stalled: [Stalled]
  /// The collective that others wait in, with its number; nil where nobody waits.
  package let awaited: (collective: Collective, sequence: Int)?

  /// Judges ranks by `views`, one a rank, and what is allowed, in seconds.
  package init(_ views: [RankView], allowed: Double) {
    let present = views.indices.filter { views[$0].isHeard && !views[$0].hasLeft }
    let waiting = present.filter { views[$0].place.activity == .waiting }
    let alone = present.compactMap { rank -> Stalled? in
      let view = views[rank]
      if view.silence >= allowed { return Stalled(rank: rank, cause: .silent) }
      guard view.place.activity != .waiting, view.idle + view.silence >= allowed else { return nil }
      return Stalled(rank: rank, cause: .idle)
    }
    let isStuck =
      !present.isEmpty && waiting == present && present.allSatisfy { views[$0].idle + views[$0].silence >= allowed }
    stalled = alone.isEmpty && isStuck ? Self.apart(views, present) : alone
    let accused = Set(stalled.map(\.rank))
    let latest = waiting.filter { !accused.contains($0) && views[$0].place.isInside }
      .max { views[$0].place.sequence < views[$1].place.sequence }
    awaited = latest.flatMap { rank in views[rank].place.collective.map { ($0, views[rank].place.sequence) } }
  }

  /// Where all of `present` wait: those that do so elsewhere than most.
  private static func apart(_ views: [RankView], _ present: [Int]) -> [Stalled] {
    let left = views.indices.filter { views[$0].hasLeft }
    guard left.isEmpty else { return left.map { Stalled(rank: $0, cause: .left) } }
    // A rank that was never heard may be what all wait for, and be well.
    guard present.count == views.count else { return [] }
    let groups = RankGroups(present.map { [UInt64(views[$0].place.sequence), views[$0].place.collective?.word ?? 0] })
    guard groups.all.count > 1 else { return present.map { Stalled(rank: $0, cause: .together) } }
    return groups.minority.map { Stalled(rank: present[$0], cause: .elsewhere) }
  }
}

/// Finds ranks whose own work takes much longer than the others'.
package struct Stragglers {
  /// A rank is slow from so many times the others' median on: the noise of shared machines stays below it, a processor that is
  /// shared with another process does not.
  static let factor = 1.5
  /// Seconds that it must last: evaluations, checkpoints and neighbours' jobs of a moment pass.
  static let window = 120.0

  private struct Mark {
    var worked = 0, microBatches = 0
  }

  private var begun: Double?
  private var marks: [Mark] = []
  private var told: Set<Int> = []

  /// Nobody was found slow yet.
  package init() {}

  /// The ranks found slow at `now`, in seconds, for the first time, with how many times the others' median.
  package mutating func find(_ views: [RankView], at now: Double) -> [(rank: Int, factor: Double)] {
    let current = views.map { Mark(worked: $0.place.worked, microBatches: $0.place.microBatches) }
    guard let begun, marks.count == views.count else {
      (begun, marks) = (now, current)
      return []
    }
    guard now - begun >= Self.window else { return [] }
    let costs = zip(marks, current).map { before, after -> Double? in
      let count = after.microBatches - before.microBatches
      return count > 0 ? Double(after.worked - before.worked) / Double(count) : nil
    }
    (self.begun, marks) = (now, current)
    return costs.indices.compactMap { rank in
      let others = costs.indices.filter { $0 != rank }.compactMap { costs[$0] }.sorted()
      guard let cost = costs[rank], let median = others.isEmpty ? nil : others[others.count / 2], median > 0,
        cost >= Self.factor * median, told.insert(rank).inserted
      else { return nil }
      return (rank, cost / median)
    }
  }
}
