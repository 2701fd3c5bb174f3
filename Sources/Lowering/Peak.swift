import CKernels
import Operations

/// What a team's threads could compute at most: multiply-adds on registers, nothing else.
public final class Peak: TeamWork, @unchecked Sendable {
  // Unchecked: each thread has its own sink.
  private static let rounds = 2_000_000
  private let sinks: UnsafeMutablePointer<Float>

  /// A loop for `team`.
  public init(_ team: ThreadTeam) {
    sinks = .allocate(capacity: 64 * team.count)
    sinks.initialize(repeating: 0.5, count: 64 * team.count)
  }

  deinit { sinks.deallocate() }

  /// One thread's loop.
  public func run(thread: Int, team: ThreadTeam) { dms_fused_loop(Self.rounds, sinks + 64 * thread) }

  /// GFLOP/s of all threads together, the best of a few loops.
  public static func measure(_ team: ThreadTeam) -> Double {
    let work = Peak(team)
    var best = UInt64.max
    for _ in 0..<5 {
      let start = Recording.now
      team.run(work)
      best = min(best, Recording.now - start)
    }
    return Double(4 * rounds * Tuning.mr * Tuning.lanes * team.count) / Double(best)
  }
}
