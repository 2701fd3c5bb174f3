import Foundation
import Tensors

/// Pairs mixed with one another, labels in the same proportion (mixup, Zhang et al. 2018).
public enum Mixup {
  /// The first pair's share, from Beta(`alpha`, `alpha`) (Jöhnk 1964; 0 < alpha <= 1): the larger of both, so that a pair remains the
  /// main one at its place in the run.
  public static func share(_ alpha: Float, _ stream: inout CounterRandom.Stream) -> Float {
    while true {
      let (a, b) = (
        pow(Double(stream.uniform()), 1 / Double(alpha)), pow(Double(stream.uniform()), 1 / Double(alpha))
      )
      if a + b > 0, a + b <= 1 { return Float(max(a, b) / (a + b)) }
    }
  }

  /// `share` * `target` + (1 - `share`) * `other`, in place.
  public static func mix(
    _ target: UnsafeMutableBufferPointer<Float>, _ other: UnsafeBufferPointer<Float>, share: Float
  ) {
    precondition(target.count == other.count)
    for i in target.indices { target[i] = share * target[i] + (1 - share) * other[i] }
  }

  /// The same for labels.
  static func mix(_ labels: [Float], _ other: [Float], share: Float) -> [Float] {
    zip(labels, other).map { share * $0 + (1 - share) * $1 }
  }
}
