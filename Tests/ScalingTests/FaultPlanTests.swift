import Foundation
import Scaling
import Testing

struct FaultPlanTests {
  /// Without costs but for what is lost, whole intervals between exponential failures have a mean that is known.
  @Test(arguments: [0.01, 0.1, 0.5, 1, 3])
  func simulationAgreesWithTheMean(_ work: Double) {
    let lost = FaultCosts(blocking: 0, write: 0, start: 0).lostShare(work: work, meanTimeBetweenFailures: 1, seed: 7)
    let mean: Double = 1 - work / (exp(work) - 1)
    #expect(abs(lost - mean) < 0.015)
  }

  /// Young's square root where checkpoints cost little; the mean where they cost more than twice that.
  @Test func dalysInterval() {
    let young: Double = 2e8.squareRoot()
    #expect(abs(FaultCosts.daly(cost: 1, meanTimeBetweenFailures: 1e8) / young - 1) < 1e-3)
    #expect(FaultCosts.daly(cost: 10, meanTimeBetweenFailures: 5) == 5)
    // Five minutes a checkpoint, a failure a day, by hand.
    let minutes = FaultCosts.daly(cost: 5, meanTimeBetweenFailures: 1440)
    let expected: Double = 120 * (1 + 0.041666 / 3 + 0.001736 / 9) - 5
    #expect(abs(minutes - expected) < 0.01)
  }

  /// Half and double of the chosen interval lose more.
  @Test(arguments: [1, 16, 256])
  func theChosenIntervalIsBest(_ hosts: Int) {
    let costs = FaultCosts(blocking: 2, write: 4, start: 20)
    let plan = FaultPlan(hosts: hosts, hoursBetweenFailures: 2000, stepSeconds: 0.5, costs)
    #expect(plan.lostShare < plan.lostShareAtHalf && plan.lostShare < plan.lostShareAtDouble)
    #expect(plan.checkpointEvery == Int((plan.intervalSeconds / 0.5).rounded()))
    #expect(abs(plan.failuresPerDay - Double(hosts) * 24 / 2000) < 1e-9)
  }

  @Test func intervalsLeaveTimeToWrite() {
    let costs = FaultCosts(blocking: 0.001, write: 300, start: 20)
    #expect(FaultPlan(hosts: 1000, hoursBetweenFailures: 100, stepSeconds: 1, costs).checkpointEvery >= 300)
  }
}
