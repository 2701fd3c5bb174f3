import CWatch
import Foundation
import Synchronization

/// The watch over a run's ranks: a thread of each rank tells the others where that is, and names who keeps them waiting or is gone.
/// It needs nothing of MPI, which a stopped rank or a cut network may block.
public final class Watch {
  /// What the watch is told.
  public struct Settings: Sendable {
    /// Seconds a rank may keep the others waiting without getting on; 0: for ever.
    public var timeout = 60.0
    /// The run's log, which what is said goes to as well, where it exists.
    public var log: String?
    /// Whether this rank was asked to stop.
    public var isStopRequested: @Sendable () -> Bool = { false }
    /// How often this rank was asked to say where all are.
    public var requests: @Sendable () -> Int = { 0 }
    /// What people are told.
    public var say: @Sendable (String) -> Void = { StandardError.write($0 + "\n") }
    /// Ends this rank with a code.
    public var end: @Sendable (Int32) -> Void = { _exit($0) }

    /// The defaults.
    public init() {}
  }

  /// What ranks tell one another at the start.
  struct Introduction: Codable, Sendable {
    let address: WatchChannel.Address
    let process: ProcessIdentity
    let token: UInt64
  }

  private let guardian: Guardian
  private let isStopped = DispatchSemaphore(value: 0)
  private let wake: Pipe
  private let hasStopped = Mutex(false)

  /// Begins to watch. Collective.
  public init(_ communicator: any Communicator, _ settings: Settings) throws {
    let wake = Pipe()
    self.wake = wake
    let channel = try communicator.together { try WatchChannel(rank: communicator.rank, host: communicator.host) }
    let own = Introduction(address: channel.address, process: .own, token: .random(in: 1 ... .max))
    let all = try communicator.allGather(JSONEncoder().encode(own)).map {
      try JSONDecoder().decode(Introduction.self, from: $0)
    }
    channel.connect(all.map(\.address), token: all[0].token)
    guardian = Guardian(
      communicator, channel, all, settings, wake: wake.fileHandleForReading.fileDescriptor)
    let (guardian, isStopped) = (guardian, isStopped)
    let thread = Thread {
      guardian.work()
      isStopped.signal()
    }
    thread.name = "watch"
    thread.start()
  }

  deinit { stop() }

  /// Ends the watch; the others hear that this rank leaves the run in good order, or says itself what went wrong.
  public func stop() {
    let isFirst = hasStopped.withLock { stopped in
      defer { stopped = true }
      return !stopped
    }
    guard isFirst else { return }
    try? wake.fileHandleForWriting.close()
    isStopped.wait()
  }
}
