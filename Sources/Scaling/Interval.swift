import Foundation

/// A mean with its 95% interval by Student's t over repetitions.
package struct Interval: Codable, Sendable, Equatable {
  package let mean: Double
  /// Nil of fewer than two values.
  package let low, high: Double?

  /// The mean of `values`, which are independent.
  package init(_ values: [Double]) {
    let (mean, count) = (values.reduce(0, +) / Double(values.count), values.count)
    self.mean = mean
    guard count > 1 else {
      (low, high) = (nil, nil)
      return
    }
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)
    let half = Self.quantile(count - 1) * (variance / Double(count)).squareRoot()
    (low, high) = (mean - half, mean + half)
  }

  /// Student's t at 0.975, of 1 to 30 degrees of freedom; the normal's beyond.
  private static func quantile(_ degrees: Int) -> Double { degrees <= table.count ? table[degrees - 1] : 1.96 }

  private static let table = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110,
    2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
  ]
}
