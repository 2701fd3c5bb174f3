import Foundation

/// Requests to stop: SIGTERM, SIGINT and SIGUSR1 ask for a checkpoint at the next step's end; a second SIGINT ends at once.
public enum Signals {
  // Unsafe but sound: a signal handler may only store to a flag of this type, and readers tolerate any order.
  nonisolated(unsafe) private static var request: sig_atomic_t = 0

  /// Starts listening.
  public static func listen() {
    for number in [SIGTERM, SIGINT, SIGUSR1] {
      signal(number) { number in
        if number == SIGINT, Signals.request != 0 { _exit(130) }
        Signals.request = sig_atomic_t(number)
      }
      // Whoever started this process may have blocked it.
      var set = sigset_t()
      sigemptyset(&set)
      sigaddset(&set, number)
      pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }
  }

  /// Whether somebody asked to stop.
  public static var isStopRequested: Bool { request != 0 }
}
