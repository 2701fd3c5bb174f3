import Foundation

/// Where a step's seconds went.
struct StepTimes {
  /// What this rank did, one thing at a time.
  enum Share: String, CaseIterable {
    case data
    case compute
    case exposedCommunication = "exposed_communication"
    case update
  }

  private var laps: [Share: Double] = [:]
  private var last = DispatchTime.now()
  /// Communication that went on beside something else.
  private(set) var hiddenCommunication = 0.0
  /// How much longer the slowest rank computed than the ranks' mean.
  var imbalance = 0.0

  /// Seconds of a share.
  subscript(share: Share) -> Double { laps[share] ?? 0 }

  /// Seconds of the whole step.
  var total: Double { laps.values.reduce(0, +) }

  /// Adds the time since the last lap to `share`.
  mutating func lap(_ share: Share) {
    let now = DispatchTime.now()
    laps[share, default: 0] += Double(now.uptimeNanoseconds - last.uptimeNanoseconds) / 1e9
    last = now
  }

  /// Counts so many seconds of what was taken for computing as communication.
  mutating func expose(communication seconds: Double) {
    laps[.compute, default: 0] -= seconds
    laps[.exposedCommunication, default: 0] += seconds
  }

  /// Of the communication's seconds, those that nobody waited for.
  mutating func hide(communication: Double) {
    hiddenCommunication = max(0, communication - self[.exposedCommunication])
  }

  /// For `metrics.jsonl`.
  var object: [String: Double] {
    var result = Dictionary(uniqueKeysWithValues: Share.allCases.map { ($0.rawValue, self[$0]) })
    result["hidden_communication"] = hiddenCommunication
    result["imbalance"] = imbalance
    return result
  }
}
