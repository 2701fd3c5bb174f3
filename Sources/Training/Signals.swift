import CStart

/// Requests to stop: SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP and SIGXCPU ask `train` for a checkpoint at the next step's end; a
/// second SIGINT ends it at once. SIGQUIT asks where it is. Handlers are in place before any library starts (`CStart`); other commands have none.
public enum Signals {
  /// Lets them in: those that came since the process started have waited, also across an `exec`.
  public static func admit() { dms_stop_admit() }

  /// Whether somebody asked to stop.
  public static var isStopRequested: Bool { dms_stop_requested() != 0 }

  /// How often somebody asked where the run is.
  public static var placeRequests: Int { Int(dms_place_requests()) }
}
