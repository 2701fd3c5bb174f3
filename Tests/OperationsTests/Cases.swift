import Foundation
import Lowering

extension OperationCase {
  /// Every operation, in several shapes.
  static let all: [OperationCase] =
    elementwise + reductions + shapes + pools + norms + batchNorms + products + crossEntropies + asymmetricLosses
    + contrasts + odd
    + convolutions

  static let elementwise: [OperationCase] = [
    OperationCase(name: "relu", shapes: [[3, 5, 7]], build: { try $1[0].relu() }) { x in
      Reference(x[0].shape) { max(0, x[0][$0]) }
    },
    OperationCase(name: "sigmoid", shapes: [[4, 33]], range: -6...6, build: { try $1[0].sigmoid() }) { x in
      Reference(x[0].shape) { 1 / (1 + exp(-x[0][$0])) }
    },
    OperationCase(name: "add, stretched", shapes: [[2, 3, 4, 5], [5]], build: { try $1[0].plus($1[1]) }) { x in
      Reference(x[0].shape) { x[0][$0] + x[1][$0] }
    },
    OperationCase(name: "subtract, stretched", shapes: [[2, 3, 1], [2, 1, 6]], build: { try $1[0].minus($1[1]) }) { x in
      Reference([2, 3, 6]) { x[0][$0] - x[1][$0] }
    },
    OperationCase(
      name: "multiply by a channel gate", shapes: [[2, 3, 4, 5], [2, 1, 1, 5]], build: { try $1[0].times($1[1]) }
    ) { x in
      Reference(x[0].shape) { x[0][$0] * x[1][$0] }
    },
    OperationCase(
      name: "multiply by a spatial gate", shapes: [[2, 3, 4, 5], [2, 3, 4, 1]], build: { try $1[0].times($1[1]) }
    ) { x in
      Reference(x[0].shape) { x[0][$0] * x[1][$0] }
    },
    OperationCase(name: "a symbol used twice", shapes: [[3, 4]], build: { try $1[0].times($1[0]).plus($1[0]) }) { x in
      Reference(x[0].shape) { x[0][$0] * x[0][$0] + x[0][$0] }
    },
    OperationCase(name: "scale", shapes: [[17]], build: { try $1[0].scaled(by: -2.5) }) { x in
      Reference(x[0].shape) { -2.5 * x[0][$0] }
    },
    OperationCase(
      name: "absolute difference", shapes: [[3, 9], [3, 9]], build: { try $1[0].absoluteDifference($1[1]) }
    ) { x in
      Reference(x[0].shape) { abs(x[0][$0] - x[1][$0]) }
    },
    OperationCase(
      name: "residual sum", shapes: [[2, 3, 3, 8], [2, 3, 3, 8]], build: { try $1[0].residualSum($1[1]) }
    ) { x in
      Reference(x[0].shape) { max(0, x[0][$0] + x[1][$0]) }
    },
    OperationCase(name: "stretch", shapes: [[3, 1, 4]], build: { try $1[0].stretched(to: [3, 5, 4]) }) { x in
      Reference([3, 5, 4]) { x[0][$0] }
    },
  ]

  static let reductions: [OperationCase] = [
    OperationCase(name: "mean over rows and columns", shapes: [[2, 5, 7, 3]], build: { try $1[0].mean(axes: 1..<3) }) {
      x in
      Reference([2, 3]) { at in
        (0..<35).reduce(0.0) { $0 + x[0][[at[0], $1 / 7, $1 % 7, at[1]]] } / 35
      }
    },
    OperationCase(name: "sum over the last axis", shapes: [[4, 9]], build: { try $1[0].sum(axes: 1..<2) }) { x in
      Reference([4]) { at in (0..<9).reduce(0.0) { $0 + x[0][[at[0], $1]] } }
    },
    OperationCase(
      name: "maximum over channels", shapes: [[2, 3, 2, 6]], build: { try $1[0].maximum(axes: 3..<4, keepsAxes: true) }
    ) { x in
      Reference([2, 3, 2, 1]) { at in (0..<6).map { x[0][[at[0], at[1], at[2], $0]] }.max() ?? 0 }
    },
    OperationCase(name: "softmax", shapes: [[3, 2, 11]], range: -4...4, build: { try $1[0].softmax() }) { x in
      Reference(x[0].shape) { at in
        exp(x[0][at]) / (0..<11).reduce(0.0) { $0 + exp(x[0][[at[0], at[1], $1]]) }
      }
    },
    OperationCase(name: "l2 normalisation", shapes: [[5, 13]], build: { try $1[0].l2Normalised() }) { x in
      Reference(x[0].shape) { at in
        x[0][at] / (0..<13).reduce(0.0) { $0 + x[0][[at[0], $1]] * x[0][[at[0], $1]] }.squareRoot()
      }
    },
  ]

  static let shapes: [OperationCase] = [
    OperationCase(
      name: "concatenation of channels", shapes: [[2, 3, 4], [2, 3, 1], [2, 3, 5]],
      build: { try $1[0].concatenated([$1[1], $1[2]], axis: 2) }
    ) { x in
      Reference([2, 3, 10]) { at in
        at[2] < 4 ? x[0][at] : at[2] < 5 ? x[1][[at[0], at[1], 0]] : x[2][[at[0], at[1], at[2] - 5]]
      }
    },
    OperationCase(
      name: "split and joined the other way round", shapes: [[4, 3]],
      build: { _, x in
        let parts = try x[0].split(2)
        return try parts[1].concatenated([parts[0]], axis: 0)
      }
    ) { x in Reference([4, 3]) { x[0][[($0[0] + 2) % 4, $0[1]]] } },
    OperationCase(name: "one part of a split", shapes: [[6, 2]], build: { try $1[0].split(3)[1].relu() }) { x in
      Reference([2, 2]) { max(0, x[0][[$0[0] + 2, $0[1]]]) }
    },
    OperationCase(name: "permutation", shapes: [[2, 3, 4, 5]], build: { try $1[0].permuted([0, 2, 1, 3]) }) { x in
      Reference([2, 4, 3, 5]) { x[0][[$0[0], $0[2], $0[1], $0[3]]] }
    },
    OperationCase(
      name: "transposition of the last axes", shapes: [[3, 4, 5]], build: { try $1[0].permuted([0, 2, 1]) }
    ) { x in
      Reference([3, 5, 4]) { x[0][[$0[0], $0[2], $0[1]]] }
    },
  ]

  static let pools: [OperationCase] =
    [(7, 9, 3, 2, 1), (8, 6, 3, 2, 1), (5, 5, 2, 2, 0), (6, 7, 3, 1, 1)].map { h, w, k, s, p in
      OperationCase(
        name: "max pool \(k) stride \(s) padding \(p)", shapes: [[2, h, w, 21]],
        build: { try $1[0].maxPool(kernel: k, stride: s, padding: p) }
      ) { x in
        Reference([2, (h + 2 * p - k) / s + 1, (w + 2 * p - k) / s + 1, 21]) { at in
          var best = -Double.infinity
          for i in 0..<k {
            for j in 0..<k {
              let (y, z) = (at[1] * s - p + i, at[2] * s - p + j)
              if (0..<h).contains(y), (0..<w).contains(z) { best = max(best, x[0][[at[0], y, z, at[3]]]) }
            }
          }
          return best
        }
      }
    }
    + [(7, 7, 1), (7, 7, 2), (4, 6, 3), (2, 3, 6), (7, 5, 6)].flatMap { h, w, bins in
      [true, false].map { isMean in
        OperationCase(
          name: "adaptive \(isMean ? "mean" : "max") pool to \(bins)", shapes: [[2, h, w, 3]],
          build: { isMean ? try $1[0].adaptiveMeanPool(bins) : try $1[0].adaptiveMaxPool(bins) }
        ) { x in
          Reference([2, bins, bins, 3]) { at in
            let rows = Int(floor(Double(at[1] * h) / Double(bins)))..<Int(ceil(Double((at[1] + 1) * h) / Double(bins)))
            let columns =
              Int(floor(Double(at[2] * w) / Double(bins)))..<Int(ceil(Double((at[2] + 1) * w) / Double(bins)))
            let all = rows.flatMap { y in columns.map { x[0][[at[0], y, $0, at[3]]] } }
            return isMean ? all.reduce(0, +) / Double(all.count) : all.max() ?? 0
          }
        }
      }
    }
    + [(1, 1, 4, 5), (2, 3, 7, 7), (6, 6, 4, 3), (3, 3, 2, 9)].map { h, w, toH, toW in
      OperationCase(name: "resize to \(toH)x\(toW)", shapes: [[2, h, w, 3]], build: { try $1[0].resized(toH, toW) }) {
        x in
        Reference([2, toH, toW, 3]) { at in
          func taps(_ i: Int, _ from: Int, _ to: Int) -> (Int, Int, Double) {
            let place = max(0, (Double(i) + 0.5) * Double(from) / Double(to) - 0.5)
            let low = min(Int(place), from - 1)
            return (low, min(low + 1, from - 1), place - Double(low))
          }
          let (y0, y1, v) = taps(at[1], h, toH)
          let (x0, x1, u) = taps(at[2], w, toW)
          let p = { (y: Int, z: Int) in x[0][[at[0], y, z, at[3]]] }
          return (1 - v) * ((1 - u) * p(y0, x0) + u * p(y0, x1)) + v * ((1 - u) * p(y1, x0) + u * p(y1, x1))
        }
      }
    }

  static let norms: [OperationCase] =
    [
      OperationCase(
        name: "group norm", shapes: [[3, 2, 3, 8], [8], [8]], tolerance: 3e-5,
        build: { try $1[0].groupNorm(4, weight: $1[1], bias: $1[2]) }
      ) { x in
        Reference(x[0].shape) { at in
          let group = at[3] / 2 * 2..<at[3] / 2 * 2 + 2
          let all = (0..<6).flatMap { place in group.map { x[0][[at[0], place / 3, place % 3, $0]] } }
          let mean = all.reduce(0, +) / 12
          let variance = all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 12
          return (x[0][at] - mean) / (variance + 1e-5).squareRoot() * x[1][[at[3]]] + x[2][[at[3]]]
        }
      },
      OperationCase(
        name: "layer norm", shapes: [[2, 5, 12], [12], [12]], tolerance: 3e-5,
        build: { try $1[0].layerNorm(weight: $1[1], bias: $1[2]) }
      ) { x in
        Reference(x[0].shape) { at in
          let all = (0..<12).map { x[0][[at[0], at[1], $0]] }
          let mean = all.reduce(0, +) / 12
          let variance = all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 12
          return (x[0][at] - mean) / (variance + 1e-5).squareRoot() * x[1][[at[2]]] + x[2][[at[2]]]
        }
      },
    ]

  static let products: [OperationCase] = [
    OperationCase(
      name: "linear", shapes: [[3, 4, 10], [6, 10], [6]], build: { try $1[0].linear($1[1], bias: $1[2]) }
    ) { x in
      Reference([3, 4, 6]) { at in
        (0..<10).reduce(x[2][[at[2]]]) { $0 + x[0][[at[0], at[1], $1]] * x[1][[at[2], $1]] }
      }
    },
    OperationCase(
      name: "linear of many rows", shapes: [[300, 7], [5, 7]], tolerance: 3e-5, build: { try $1[0].linear($1[1]) }
    ) { x in
      Reference([300, 5]) { at in (0..<7).reduce(0.0) { $0 + x[0][[at[0], $1]] * x[1][[at[1], $1]] } }
    },
    OperationCase(
      name: "batched product, right side transposed", shapes: [[2, 3, 4, 5], [2, 3, 6, 5]],
      build: { try $1[0].matrixProduct($1[1], transposed: true, scale: 0.5) }
    ) { x in
      Reference([2, 3, 4, 6]) { at in
        (0..<5).reduce(0.0) { $0 + 0.5 * x[0][[at[0], at[1], at[2], $1]] * x[1][[at[0], at[1], at[3], $1]] }
      }
    },
    OperationCase(
      name: "batched product", shapes: [[3, 4, 150], [3, 150, 6]], tolerance: 5e-5,
      build: { try $1[0].matrixProduct($1[1]) }
    ) { x in
      Reference([3, 4, 6]) { at in (0..<150).reduce(0.0) { $0 + x[0][[at[0], at[1], $1]] * x[1][[at[0], $1, at[2]]] } }
    },
    OperationCase(
      name: "attention", shapes: [[2, 3, 8], [2, 5, 8], [2, 5, 8]],
      build: { try attention(queries: $1[0], keys: $1[1], values: $1[2], heads: 2) }
    ) { x in
      Reference([2, 3, 8]) { at in
        let head = at[2] / 4 * 4..<at[2] / 4 * 4 + 4
        let scores = (0..<5).map { key in
          exp(head.reduce(0.0) { $0 + x[0][[at[0], at[1], $1]] * x[1][[at[0], key, $1]] } / 2)
        }
        return (0..<5).reduce(0.0) { $0 + scores[$1] * x[2][[at[0], $1, at[2]]] } / scores.reduce(0, +)
      }
    },
  ]
}
