import Foundation

/// The ranks of a step as its programs see them, where norms are over all of them.
package final class StepPeers: Peers, @unchecked Sendable {
  // Unchecked: one thread at a time uses it, the program's while that runs and the step's between runs.
  private let communicator: any Communicator
  private let urgency = Urgency()
  /// Kept for its memory.
  private var transfers: [Transfer] = []
  private var failure: (any Error)?
  /// Seconds that gathering has taken in this step, and with it waiting for the slowest rank.
  private(set) var seconds = 0.0

  /// The ranks of `communicator`.
  package init(_ communicator: any Communicator) { self.communicator = communicator }

  /// This rank's number.
  package var rank: Int { communicator.rank }
  /// How many ranks there are.
  package var size: Int { communicator.size }

  /// A new step.
  func begin() { seconds = 0 }

  /// Gives every rank each one's row of `table`.
  package func gather(_ table: UnsafeMutableBufferPointer<Double>) {
    guard size > 1, failure == nil, let start = table.baseAddress else { return }
    let begin = DispatchTime.now().uptimeNanoseconds
    let count = table.count / size
    transfers.removeAll(keepingCapacity: true)
    for peer in 0..<size where peer != rank {
      transfers.append(Transfer(.receive, peer, start + peer * count, count))
      transfers.append(Transfer(.send, peer, start + rank * count, count))
    }
    do {
      try communicator.exchange(transfers, urgency, for: Collective(.exchange, of: .moments, size: table.count))
    } catch { failure = error }
    seconds += Double(DispatchTime.now().uptimeNanoseconds - begin) / 1e9
  }

  /// Throws what went wrong since the program began.
  package func check() throws { if let failure { throw failure } }
}
