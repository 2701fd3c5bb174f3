import Communication
import Foundation

/// How often to write checkpoints where hosts fail, and what failures cost all the same.
package struct FaultPlan: Codable, Sendable {
  package let hosts: Int
  /// Of one host.
  package let hoursBetweenFailures: Double
  package let failuresPerDay: Double
  /// Seconds between checkpoints by Daly's estimate of the best.
  package let intervalSeconds: Double
  /// The same in steps: what `--checkpoint-every` should say.
  package let checkpointEvery: Int
  /// Of all time, what does not train: by simulation, at that interval, at half of it and at twice.
  package let lostShare, lostShareAtHalf, lostShareAtDouble: Double

  /// A plan for so many hosts; checkpoints and starts cost what was measured.
  package init(hosts: Int, hoursBetweenFailures hours: Double, stepSeconds: Double, _ setting: ScalingReport.Setting) {
    self.init(
      hosts: hosts, hoursBetweenFailures: hours, stepSeconds: stepSeconds,
      FaultCosts(
        blocking: setting.checkpointBlockingSeconds, write: setting.checkpointSeconds, start: setting.startSeconds))
  }

  /// A plan for so many hosts at such costs.
  package init(hosts: Int, hoursBetweenFailures hours: Double, stepSeconds: Double, _ costs: FaultCosts) {
    (self.hosts, hoursBetweenFailures) = (hosts, hours)
    let mean = hours * 3600 / Double(hosts)
    failuresPerDay = 86400 / mean
    // A checkpoint begins once the one before is written.
    let interval = max(costs.write, FaultCosts.daly(cost: costs.blocking, meanTimeBetweenFailures: mean))
    let every = max(1, Int((interval / stepSeconds).rounded()))
    (intervalSeconds, checkpointEvery) = (interval, every)
    func lost(_ every: Int) -> Double {
      costs.lostShare(work: Double(every) * stepSeconds, meanTimeBetweenFailures: mean, seed: 1)
    }
    (lostShare, lostShareAtHalf, lostShareAtDouble) = (lost(every), lost(max(1, every / 2)), lost(2 * every))
  }
}

/// What checkpoints and failures cost, in seconds.
package struct FaultCosts {
  /// What a checkpoint holds training up.
  package let blocking: Double
  /// Until a checkpoint is whole, while training goes on.
  package let write: Double
  /// From a failure to the first step after it.
  package let start: Double

  /// Such costs.
  package init(blocking: Double, write: Double, start: Double) {
    (self.blocking, self.write, self.start) = (blocking, write, start)
  }

  /// The best time between checkpoints that cost `cost` each: Young's square root (Communications of the ACM 17:530, 1974) with
  /// Daly's terms of higher order (Future Generation Computer Systems 22:303, 2006).
  package static func daly(cost: Double, meanTimeBetweenFailures mean: Double) -> Double {
    guard cost < 2 * mean else { return mean }
    let ratio = cost / (2 * mean)
    return (2 * cost * mean).squareRoot() * (1 + ratio.squareRoot() / 3 + ratio / 9) - cost
  }

  /// The share of all time that does not train, where a checkpoint follows each `work` seconds of training: the mean over 20,000 drawn
  /// times between failures, which are exponential and may also end a start.
  package func lostShare(work: Double, meanTimeBetweenFailures mean: Double, seed: UInt64) -> Double {
    var stream = CounterRandom(seed: seed).stream(.failure)
    var (all, useful) = (0.0, 0.0)
    for _ in 0..<20_000 {
      let time = -mean * log(1 - Double.random(in: 0..<1, using: &stream))
      all += time
      // Checkpoints that were whole when the failure came.
      let count = ((time - start - write + blocking) / (work + blocking)).rounded(.down)
      useful += max(0, count) * work
    }
    return 1 - useful / all
  }
}
