import Communication
import Foundation
import Testing

/// The watch's judgement of what ranks say, without ranks.
struct JudgementTests {
  /// Ranks that all wait in collective 12, but for what `change` makes of them.
  private func views(_ count: Int, _ change: (inout [RankView]) -> Void) -> [RankView] {
    var view = RankView()
    view.isHeard = true
    view.place.activity = .waiting
    (view.place.sequence, view.place.collective, view.place.isInside) = (12, collective, true)
    (view.idle, view.silence) = (70, 0.2)
    var views = Array(repeating: view, count: count)
    change(&views)
    return views
  }
  private let collective = Collective(.allGather, of: .gradients, bucket: 3, size: 77)

  private func stalled(_ count: Int, _ change: (inout [RankView]) -> Void) -> [Judgement.Stalled] {
    Judgement(views(count, change), allowed: 60).stalled
  }

  @Test func oneThatLoadsForEver() {
    let judgement = Judgement(
      views(4) {
        ($0[2].place.activity, $0[2].place.sequence, $0[2].place.isInside) = (.loading, 11, false)
      }, allowed: 60)
    #expect(judgement.stalled == [Judgement.Stalled(rank: 2, cause: .idle)])
    #expect(judgement.awaited?.collective.word == collective.word && judgement.awaited?.sequence == 12)
  }

  /// However long the others have waited: it computes, or it reads.
  @Test func oneThatGetsOnIsLeftInPeace() {
    for activity: Whereabouts.Activity in [.computing, .loading, .writing, .evaluating, .starting, .preparing] {
      #expect(stalled(4) { ($0[2].place.activity, $0[2].idle) = (activity, 59) }.isEmpty)
    }
  }

  @Test func silentOnesAreNamedTogether() {
    let found = stalled(4) { views in for rank in [0, 3] { views[rank].silence = 61 } }
    #expect(found == [0, 3].map { Judgement.Stalled(rank: $0, cause: .silent) })
  }

  @Test func oneThatWaitsElsewhereThanMost() {
    let found = stalled(5) { $0[1].place.collective = Collective(.allGather, of: .gradients, bucket: 4) }
    #expect(found == [Judgement.Stalled(rank: 1, cause: .elsewhere)])
    let behind = stalled(5) { $0[4].place.sequence = 11 }
    #expect(behind == [Judgement.Stalled(rank: 4, cause: .elsewhere)])
    let tied = stalled(2) { $0[1].place.sequence = 11 }
    #expect(tied == [0, 1].map { Judgement.Stalled(rank: $0, cause: .elsewhere) })
  }

  @Test func allInTheSameCollective() {
    #expect(stalled(3) { _ in } == (0..<3).map { Judgement.Stalled(rank: $0, cause: .together) })
    #expect(stalled(3) { $0[1].idle = 10 }.isEmpty)
  }

  @Test func oneThatHasLeftWhileOthersWait() {
    #expect(stalled(3) { $0[1].hasLeft = true } == [Judgement.Stalled(rank: 1, cause: .left)])
  }

  /// Where nothing was ever heard of a rank, as behind a firewall, its silence says nothing.
  @Test func oneThatWasNeverHeardIsNotAccused() {
    #expect(stalled(3) { ($0[1].isHeard, $0[1].silence) = (false, 1000) }.isEmpty)
  }

  /// Whatever is drawn: who got on lately, or waits while another gets on, is not named.
  @Test(arguments: UInt64(0)..<200)
  func nobodyIsNamedThatGetsOn(_ seed: UInt64) {
    var stream = CounterRandom(seed: seed).stream(.test)
    let all = views(2 + stream.below(6)) { views in
      for rank in views.indices {
        views[rank].place.activity = [.waiting, .loading, .computing][stream.below(3)]
        views[rank].idle = Double(stream.below(120))
        views[rank].silence = stream.below(4) == 0 ? Double(stream.below(120)) : 0.5
        views[rank].place.sequence = 10 + stream.below(3)
      }
    }
    let judgement = Judgement(all, allowed: 60)
    for stalled in judgement.stalled {
      let view = all[stalled.rank]
      #expect(view.idle + view.silence >= 60, "seed \(seed)")
    }
    let culprits = all.indices.filter {
      all[$0].silence >= 60 || (all[$0].place.activity != .waiting && all[$0].idle + all[$0].silence >= 60)
    }
    if !culprits.isEmpty { #expect(judgement.stalled.map(\.rank) == culprits, "seed \(seed)") }
    if all.contains(where: { $0.idle + $0.silence < 60 }) {
      #expect(judgement.stalled.allSatisfy { culprits.contains($0.rank) }, "seed \(seed)")
    }
  }
}

struct StragglerTests {
  /// Seconds of own work on a number of micro-batches, a rank, as after `minutes`.
  private func views(_ costs: [(seconds: Double, microBatches: Int)], minutes: Double) -> [RankView] {
    costs.map { cost in
      var view = RankView()
      view.isHeard = true
      view.place.microBatches = Int(Double(cost.microBatches) * minutes * 60)
      view.place.worked = Int(cost.seconds * Double(cost.microBatches) * minutes * 60 * 1e9)
      return view
    }
  }

  private func found(_ costs: [(seconds: Double, microBatches: Int)]) -> [[Int]] {
    var stragglers = Stragglers()
    return (0...16).map { half in
      stragglers.find(views(costs, minutes: Double(half) / 2), at: 100 + 30 * Double(half)).map(\.rank)
    }
  }

  /// Named after the window, and once.
  @Test func aSlowRankIsNamedOnce() {
    let all = found([(0.1, 1), (0.1, 1), (0.17, 1), (0.11, 1)])
    #expect(Array(all.joined()) == [2] && all[4] == [2], "\(all)")
    #expect(Array(found([(0.3, 1), (0.1, 1)]).joined()) == [0])
  }

  /// A rank that has more micro-batches is not slow, nor one that has none, nor one within the noise.
  @Test func onlyTheTimeOfTheSameWorkCounts() {
    let all = found([(0.1, 1), (0.1, 3), (0.1, 0), (0.14, 1)])
    #expect(all.joined().isEmpty, "\(all)")
  }
}

struct WatchMessageTests {
  @Test(arguments: UInt64(0)..<50)
  func whatIsSentIsReceived(_ seed: UInt64) throws {
    var stream = CounterRandom(seed: seed).stream(.test)
    var place = Whereabouts.Snapshot()
    (place.step, place.sequence) = (stream.below(1 << 30), stream.below(1 << 30))
    place.activity = [.starting, .preparing, .loading, .computing, .waiting, .writing, .evaluating][stream.below(7)]
    place.seconds = Double(stream.below(100_000)) / 8
    place.collective = stream.below(4) == 0 ? nil : Collective(.reduceScatter, of: .weights, bucket: stream.below(1000))
    place.isInside = place.collective != nil && stream.below(2) == 0
    (place.worked, place.microBatches) = (stream.below(1 << 30), stream.below(1 << 30))
    let token = UInt64(stream.below(1 << 30))
    let message = WatchMessage(.over, from: stream.below(5000), to: stream.below(5000), place, idle: 12.5)
    #expect(WatchMessage(message.bytes(token: token), token: token) == message, "seed \(seed)")
    #expect(WatchMessage(message.bytes(token: token), token: token + 1) == nil)
  }

  /// Whatever somebody else sends is refused or read, and nothing more.
  @Test(arguments: UInt64(0)..<200)
  func anythingMayArrive(_ seed: UInt64) {
    var stream = CounterRandom(seed: seed).stream(.test)
    var words = WatchMessage(.alive, from: 0, to: 1, Whereabouts.Snapshot(), idle: 0).bytes(token: 5)
    for _ in 0...stream.below(3) { words[1 + stream.below(words.count - 1)] = .max >> UInt64(stream.below(64)) }
    if let message = WatchMessage(words, token: 5) { #expect(message.sender >= 0 && message.receiver >= 0) }
  }
}
