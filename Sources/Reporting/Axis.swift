import Foundation

/// A scale from figures to places on a drawing, with its ticks.
package struct Axis {
  /// Round values, in order.
  package let ticks: [(value: Double, label: String)]
  private let low, high: Double
  private let isLogarithmic: Bool

  /// From 0 to a round number above `values`; logarithmic where that is allowed and they differ by a factor above 20.
  package init(_ values: [Double], mayBeLogarithmic: Bool = true) {
    let values = values.filter { $0.isFinite && $0 > 0 }
    let (least, most) = (values.min() ?? 0, values.max() ?? 1)
    isLogarithmic = mayBeLogarithmic && least > 0 && most / least > 20
    if isLogarithmic {
      let (first, last) = (Int(floor(log10(least))), Int(ceil(log10(most))))
      (low, high) = (pow(10, Double(first)), pow(10, Double(max(last, first + 1))))
      ticks = (first...max(last, first + 1)).map { (pow(10, Double($0)), Self.label(pow(10, Double($0)))) }
    } else {
      let step = Self.step(most / 5)
      let count = Int(ceil(most / step - 1e-9))
      (low, high) = (0, step * Double(max(1, count)))
      ticks = (0...max(1, count)).map { (step * Double($0), Self.label(step * Double($0))) }
    }
  }

  /// 1, 2 or 5 times a power of ten, at least `value`.
  private static func step(_ value: Double) -> Double {
    let power = pow(10, floor(log10(value)))
    return power * ([1, 2, 5].first { $0 * power >= value * (1 - 1e-9) } ?? 10)
  }

  private static func label(_ value: Double) -> String { String(format: "%.6g", value) }

  /// Where `value` lies, from 0 to 1.
  package func place(_ value: Double) -> Double {
    let share =
      isLogarithmic ? log(max(value, low) / low) / log(high / low) : (value - low) / (high - low)
    return min(max(share, 0), 1)
  }
}
