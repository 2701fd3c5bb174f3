import Glibc
import Operations

extension OperationCase {
  /// Cross entropy of patients and of eyes, whose second axis counts the pairs.
  static let crossEntropies: [OperationCase] = [
    crossEntropy([5, 3], smoothing: 0.1, positive: [1, 2, 3]), crossEntropy([1, 1], smoothing: 0, positive: []),
    crossEntropy([2, 7, 5], smoothing: 0, positive: []),
    crossEntropy([2, 40, 17], smoothing: 0.25, positive: (0..<17).map { 0.5 + Float($0) }),
  ]

  private static func crossEntropy(_ shape: [Int], smoothing: Float, positive: [Float]) -> OperationCase {
    let labels = shape[shape.count - 1]
    let count = shape.reduce(1, *)
    return OperationCase(
      name: "binary cross entropy, smoothing \(smoothing), \(positive.count) weights", shapes: [shape, shape, [1]],
      range: -4...4, trained: 1,
      fixed: [1: (0..<count).map { $0 * 7 % 5 < 2 ? 1 : 0 }, 2: [3]],
      build: { try $1[0].binaryCrossEntropy($1[1], pairs: $1[2], smoothing: smoothing, positive: positive) }
    ) { x in
      var sum = 0.0
      for i in 0..<count {
        let y = x[1].values[i] * Double(1 - smoothing) + Double(smoothing) / 2
        let p = 1 / (1 + exp(-x[0].values[i]))
        sum -= (positive.isEmpty ? 1 : Double(positive[i % labels])) * y * log(p) + (1 - y) * log(1 - p)
      }
      // Elements a pair contributes, times the pairs of the step.
      let pairs = shape.count == 3 ? shape[1] : shape[0]
      return Reference([1], [sum / (Double(count / pairs) * x[2].values[0])])
    }
  }

  /// Focal and asymmetric losses, away from the corner where a probability is the shift.
  static let asymmetricLosses: [OperationCase] = [
    asymmetric([5, 3], 2, 2, shift: 0, positive: [1, 2, 3]), asymmetric([1, 1], 0, 0, shift: 0, positive: []),
    asymmetric([2, 7, 5], 0.5, 0.5, shift: 0, positive: []), asymmetric([2, 5, 3], 0, 4, shift: 0.01, positive: []),
    asymmetric([4, 8], 1, 3, shift: 0.99, positive: []), asymmetric([2, 40, 17], 1, 0, shift: 0.01, positive: []),
  ]

  private static func asymmetric(
    _ shape: [Int], _ positiveFocus: Float, _ negativeFocus: Float, shift: Float, positive: [Float]
  ) -> OperationCase {
    let labels = shape[shape.count - 1]
    let count = shape.reduce(1, *)
    return OperationCase(
      name: "asymmetric loss, exponents \(positiveFocus) and \(negativeFocus), shift \(shift)",
      shapes: [shape, shape, [1]], range: -4...4, trained: 1,
      fixed: [1: (0..<count).map { [0, 1, 0.25][$0 * 7 % 5 % 3] }, 2: [3]],
      build: {
        try $1[0].binaryCrossEntropy(
          $1[1], pairs: $1[2], smoothing: 0.1, positive: positive,
          focus: Focus(positive: positiveFocus, negative: negativeFocus, shift: shift))
      }
    ) { x in
      var sum = 0.0
      for i in 0..<count {
        let y = x[1].values[i] * 0.9 + 0.05
        let p = 1 / (1 + exp(-x[0].values[i]))
        let q = max(p - Double(shift), 0)
        sum -= (positive.isEmpty ? 1 : Double(positive[i % labels])) * y * pow(1 - p, Double(positiveFocus)) * log(p)
        sum -= (1 - y) * pow(q, Double(negativeFocus)) * log(1 - q)
      }
      let pairs = shape.count == 3 ? shape[1] : shape[0]
      return Reference([1], [sum / (Double(count / pairs) * x[2].values[0])])
    }
  }

  /// The contrast loss in all its branches: eyes whose labels agree are pulled together, others are pushed apart until their cosine
  /// is below the margin. Which pairs have the same labels is written out.
  static let contrasts: [OperationCase] = [
    contrast([true, false, true, false], width: 6, margin: -0.9),
    contrast([true], width: 1, margin: 0.1), contrast([false], width: 5, margin: -2),
    // No cosine reaches the margin: only pairs that agree count.
    contrast([false, true, false], width: 3, margin: 9), contrast([false, false], width: 7, margin: 9),
    contrast(Array(repeating: false, count: 17) + [true], width: 33, margin: 0),
  ]

  private static func contrast(_ agree: [Bool], width: Int, margin: Float) -> OperationCase {
    let pairs = agree.count
    // Both eyes of pair p: label p % 2 alone; the right eye of a pair that disagrees has the other one too.
    let labels: [Float] = [0, 1].flatMap { eye in
      (0..<pairs).flatMap { pair -> [Float] in
        let both = eye == 1 && !agree[pair]
        return [both || pair % 2 == 0 ? 1 : 0, both || pair % 2 == 1 ? 1 : 0]
      }
    }
    return OperationCase(
      name: "contrast loss, labels agree \(agree.map { $0 ? "yes" : "no" }), margin \(margin)",
      shapes: [[2, pairs, width], [2, pairs, 2], [1]], range: 0.1...0.9, trained: 1,
      tolerance: 1e-6 * Double(pairs * width + 10), fixed: [1: labels],
      build: { try $1[0].contrastLoss($1[1], pairs: $1[2], margin: margin) }
    ) { x in
      let losses = (0..<pairs).map { pair in
        let cosine = (0..<width).reduce(0.0) { $0 + x[0][[0, pair, $1]] * x[0][[1, pair, $1]] }
        return agree[pair] ? 1 - cosine : max(0, cosine - Double(margin))
      }
      return Reference([1], [losses.reduce(0, +) / x[2].values[0]])
    }
  }
}
