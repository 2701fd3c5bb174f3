import Foundation
import Tensors
import Testing

struct CounterRandomTests {
  /// The known answers of the Philox paper's own distribution (Random123, kat_vectors).
  @Test func philoxGivesItsKnownAnswers() {
    #expect(
      CounterRandom(seed: 0).words(SIMD4(0, 0, 0, 0)) == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
    let ones = SIMD4<UInt32>(repeating: .max)
    #expect(CounterRandom(seed: .max).words(ones) == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
  }

  @Test func drawsAreUniformAndIndependentOfOrder() {
    let random = CounterRandom(seed: 5)
    var first = random.stream(.test, 1)
    let again = random.stream(.test, 1)
    var copy = again
    #expect((0..<10).map { _ in first.below(1000) } == (0..<10).map { _ in copy.below(1000) })
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[first.below(7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    #expect(Set(first.shuffled(Array(0..<100))) == Set(0..<100))
  }

  /// Every order of three is as likely as any other.
  @Test func allOrdersAreEquallyLikely() {
    var stream = CounterRandom(seed: 8).stream(.test)
    var counts: [[Int]: Int] = [:]
    for _ in 0..<60_000 { counts[stream.shuffled([0, 1, 2]), default: 0] += 1 }
    #expect(counts.count == 6 && counts.values.allSatisfy { abs($0 - 10_000) < 500 })
  }

  /// Moments of the normal distribution, and how much of it lies within one deviation and two.
  @Test func normalDrawsAreNormal() {
    var stream = CounterRandom(seed: 6).stream(.test)
    let draws = (0..<100_000).map { _ in Double(stream.normal()) }
    let count = Double(draws.count)
    let mean = draws.reduce(0, +) / count
    let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    #expect(abs(mean) < 0.02 && abs(variance - 1) < 0.02)
    #expect(abs(Double(draws.count { abs($0) < 1 }) / count - 0.6827) < 0.01)
    #expect(abs(Double(draws.count { abs($0) < 2 }) / count - 0.9545) < 0.01)
  }

  @Test func uniformDrawsFillTheirRange() {
    var stream = CounterRandom(seed: 7).stream(.test)
    let draws = (0..<100_000).map { _ in Double(stream.uniform(-2, 6)) }
    #expect(draws.allSatisfy { $0 >= -2 && $0 < 6 })
    for quarter in 0..<4 {
      let bounds = -2 + 2 * Double(quarter)..<2 * Double(quarter)
      #expect(abs(draws.count { bounds.contains($0) } - 25_000) < 800)
    }
  }
}

struct TensorTests {
  @Test func transpositionFollowsItsDefinition() {
    let x = Tensor([2, 3, 4], (0..<24).map(Float.init))
    let y = x.transposed([2, 0, 1])
    #expect(y.shape == [4, 2, 3])
    for flat in 0..<24 {
      let (i, j, k) = (flat / 12, flat / 4 % 3, flat % 4)
      let found = y.values[(k * 2 + i) * 3 + j]
      #expect(found == x.values[flat])
    }
  }
}

struct ThreadTeamTests {
  private final class Count: TeamWork, @unchecked Sendable {
    // Unchecked: each thread writes its own slots, and the barrier separates them.
    var seen: [[Int]]
    let base: UnsafeMutablePointer<Int>
    init(_ threads: Int) {
      seen = []
      base = .allocate(capacity: threads)
      base.initialize(repeating: 0, count: threads)
    }
    deinit { base.deallocate() }
    func run(thread: Int, team: ThreadTeam) {
      for round in 1...50 {
        base[thread] = round
        team.barrier()
        for other in 0..<team.count where base[other] != round { base[thread] = -1_000_000 }
        team.barrier()
      }
    }
  }

  @Test(arguments: [1, 2, 3, 8])
  func threadsMeetAtBarriers(_ threads: Int) throws {
    let team = try ThreadTeam(count: threads)
    let work = Count(threads)
    for _ in 0..<5 { team.run(work) }
    #expect((0..<threads).allSatisfy { work.base[$0] == 50 })
  }

  /// More than the processors can use only wait for one another.
  @Test func aCrowdIsNotStarted() throws {
    let team = try ThreadTeam(count: 1 << 20)
    #expect(team.count <= 16 * ProcessInfo.processInfo.activeProcessorCount)
    let work = Count(team.count)
    team.run(work)
    #expect((0..<team.count).allSatisfy { work.base[$0] == 50 })
  }
}

struct StorageTests {
  /// More than the host has is an error, not an end by the system once it is written to.
  @Test(arguments: [1 << 45, 1 << 62, Int.max])
  func whatNoHostHasIsRefused(_ byteCount: Int) throws {
    for attempt in [{ _ = try Storage(byteCount: byteCount) }, { try Storage.require(byteCount: byteCount) }] {
      let failure = #expect(throws: Failure.self) { try attempt() }
      #expect(failure?.kind == .run && failure?.message.contains("this host has") == true)
    }
    try Storage.require(byteCount: 0)
    #expect(try Storage(byteCount: 0).byteCount == 0)
  }
}
