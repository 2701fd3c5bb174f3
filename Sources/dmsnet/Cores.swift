import Foundation
import Training

/// The cores that this process keeps to, where `DMSNET_CORES` says how many it is to take: `launch/train` asks for as many as a rank
/// has threads. Launchers bind in ways of their own, and none of them knows of the run beside it.
enum Cores {
  /// Takes them. Where there are too few the process stays unbound, and `train` says what is crowded.
  static func take() {
    guard let count = ProcessInfo.processInfo.environment["DMSNET_CORES"].flatMap({ Int($0) }), count > 0 else {
      return
    }
    _ = Binding.take(cores: count)
  }
}
