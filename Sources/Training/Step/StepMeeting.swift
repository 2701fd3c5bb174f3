import Foundation

/// The meetings of a step whose norms are over all its micro-batches: a rank's programs run side by side, and at each meeting ranks give
/// one another their rows of the table.
package final class StepMeeting {
  /// What the programs share.
  package let table = StepTable()
  private let communicator: any Communicator
  private let urgency = Urgency()
  private var shares: [Range<Int>] = []
  /// What the programs of the step meet for.
  private var meetings: [Int] = []
  /// Seconds that exchanges have taken in this step, and with them waiting for the slowest rank.
  private(set) var seconds = 0.0

  /// Meetings of the ranks of `communicator`.
  package init(_ communicator: any Communicator) { self.communicator = communicator }

  /// Makes what the step `plan` runs of this rank's, so that running cannot fail for want of memory. A rank without micro-batches comes
  /// to the meetings too: it looks at a program of the others' to know them.
  package func prepare(_ replica: Replica, _ plan: StepPlan) throws {
    let own = plan.shares[communicator.rank]
    let counts = (own.isEmpty ? 0..<1 : own).map { plan.microBatches[$0].count }
    for (seat, pairs) in counts.enumerated() {
      meetings = try replica.training(pairs: pairs, stepPairs: plan.pairs, seat: seat).meetings
    }
    (shares, seconds) = (plan.shares, 0)
    try table.begin(rows: plan.microBatches.count, first: own.lowerBound, columns: meetings.max() ?? 0)
  }

  /// Runs `programs`, those of this rank's micro-batches in order, side by side.
  package func run(_ programs: [Program]) throws {
    for (stretch, columns) in meetings.enumerated() {
      for program in programs { program.run(stretch: stretch) }
      try exchange(columns)
      table.turn()
    }
    for program in programs { program.run(stretch: meetings.count) }
  }

  private func exchange(_ columns: Int) throws {
    guard communicator.size > 1 else { return }
    let begin = DispatchTime.now().uptimeNanoseconds
    func rows(_ rank: Int) -> (start: UnsafeMutablePointer<Double>, count: Int) {
      (table.values + shares[rank].lowerBound * columns, shares[rank].count * columns)
    }
    let own = rows(communicator.rank)
    var (sends, receives) = ([Message](), [Message]())
    for peer in 0..<communicator.size where peer != communicator.rank {
      let theirs = rows(peer)
      // Who has no micro-batch needs nobody's rows.
      if own.count > 0 { receives.append(Message(peer, theirs.start, theirs.count)) }
      if theirs.count > 0 { sends.append(Message(peer, own.start, own.count)) }
    }
    try communicator.exchange(
      Exchange(sends, receives), urgency, for: Collective(.exchange, of: .moments, size: table.rows * columns))
    seconds += Double(DispatchTime.now().uptimeNanoseconds - begin) / 1e9
  }
}
