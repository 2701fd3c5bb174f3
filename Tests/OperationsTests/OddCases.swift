import Glibc
import Operations

extension OperationCase {
  /// Shapes at the edges: of one element, of a few more than a chunk or a vector takes, with axes of extent 1.
  static let odd: [OperationCase] = [
    OperationCase(name: "relu", shapes: [[1]], build: { try $1[0].relu() }) { x in
      Reference(x[0].shape) { max(0, x[0][$0]) }
    },
    OperationCase(name: "relu of two chunks", shapes: [[16_385]], build: { try $1[0].relu() }) { x in
      Reference(x[0].shape) { max(0, x[0][$0]) }
    },
    OperationCase(name: "sigmoid of two chunks", shapes: [[5, 3301]], build: { try $1[0].sigmoid() }) { x in
      Reference(x[0].shape) { 1 / (1 + exp(-x[0][$0])) }
    },
    OperationCase(name: "add, both stretched", shapes: [[3, 1, 5], [1, 7, 1]], build: { try $1[0].plus($1[1]) }) { x in
      Reference([3, 7, 5]) { x[0][$0] + x[1][$0] }
    },
    OperationCase(name: "subtract a scalar", shapes: [[17, 33], [1]], build: { try $1[0].minus($1[1]) }) { x in
      Reference([17, 33]) { x[0][$0] - x[1].values[0] + 0 * Double($0[0]) }
    },
    OperationCase(
      name: "multiply many rows by columns", shapes: [[513, 37], [37]], build: { try $1[0].times($1[1]) }
    ) { x in
      Reference([513, 37]) { x[0][$0] * x[1][[$0[1]]] }
    },
    OperationCase(
      name: "absolute difference of one column", shapes: [[19, 1], [19, 1]],
      build: { try $1[0].absoluteDifference($1[1]) }
    ) { x in
      Reference(x[0].shape) { abs(x[0][$0] - x[1][$0]) }
    },
    OperationCase(
      name: "residual sum of odd channels", shapes: [[1, 31, 37, 17], [1, 31, 37, 17]],
      build: { try $1[0].residualSum($1[1]) }
    ) { x in
      Reference(x[0].shape) { max(0, x[0][$0] + x[1][$0]) }
    },
    OperationCase(name: "mean over everything", shapes: [[3, 5, 7]], build: { try $1[0].mean(axes: 0..<3) }) { x in
      Reference([], [x[0].values.reduce(0, +) / 105])
    },
    OperationCase(
      name: "mean over the first axis, kept", shapes: [[9, 2, 3]],
      build: { try $1[0].mean(axes: 0..<1, keepsAxes: true) }
    ) { x in
      Reference([1, 2, 3]) { at in (0..<9).reduce(0.0) { $0 + x[0][[$1, at[1], at[2]]] } / 9 }
    },
    OperationCase(
      name: "maximum over rows and columns", shapes: [[3, 5, 1, 19]], build: { try $1[0].maximum(axes: 1..<3) }
    ) { x in
      Reference([3, 19]) { at in (0..<5).map { x[0][[at[0], $0, 0, at[1]]] }.max() ?? 0 }
    },
    OperationCase(name: "softmax of one column", shapes: [[5, 1]], build: { try $1[0].softmax() }) { x in
      Reference([5, 1]) { _ in 1 }
    },
    OperationCase(name: "softmax of many rows", shapes: [[900, 7]], range: -9...9, build: { try $1[0].softmax() }) {
      x in
      Reference([900, 7]) { at in exp(x[0][at]) / (0..<7).reduce(0.0) { $0 + exp(x[0][[at[0], $1]]) } }
    },
    OperationCase(
      name: "l2 normalisation of one column", shapes: [[3, 1]], range: 0.5...2, build: { try $1[0].l2Normalised() }
    ) { x in
      Reference([3, 1]) { x[0][$0] / abs(x[0][$0]) }
    },
    OperationCase(
      name: "concatenation along the first axis", shapes: [[1, 3], [4, 3], [2, 3]],
      build: { try $1[0].concatenated([$1[1], $1[2]], axis: 0) }
    ) { x in
      Reference([7, 3]) { at in
        at[0] < 1 ? x[0][at] : at[0] < 5 ? x[1][[at[0] - 1, at[1]]] : x[2][[at[0] - 5, at[1]]]
      }
    },
    OperationCase(
      name: "permutation with axes of one", shapes: [[1, 5, 1, 3]], build: { try $1[0].permuted([3, 2, 1, 0]) }
    ) { x in
      Reference([3, 1, 5, 1]) { x[0][[$0[3], $0[2], $0[1], $0[0]]] }
    },
    OperationCase(
      name: "group norm, groups of five, many instances", shapes: [[131, 1, 1, 15], [15], [15]], tolerance: 5e-5,
      build: { try $1[0].groupNorm(3, weight: $1[1], bias: $1[2]) }
    ) { x in
      normalised(x, rows: 1, group: 5)
    },
    OperationCase(
      name: "group norm, one group", shapes: [[2, 3, 5, 7], [7], [7]], tolerance: 5e-5,
      build: { try $1[0].groupNorm(1, weight: $1[1], bias: $1[2]) }
    ) { x in
      normalised(x, rows: 15, group: 7)
    },
    OperationCase(
      name: "layer norm of odd columns", shapes: [[150, 33], [33], [33]], tolerance: 5e-5,
      build: { try $1[0].layerNorm(weight: $1[1], bias: $1[2]) }
    ) { x in
      normalised(x, rows: 1, group: 33)
    },
    OperationCase(
      name: "linear of one element", shapes: [[1, 1], [1, 1], [1]], build: { try $1[0].linear($1[1], bias: $1[2]) }
    ) { x in
      Reference([1, 1], [x[0].values[0] * x[1].values[0] + x[2].values[0]])
    },
    OperationCase(
      name: "linear of odd extents", shapes: [[65, 129], [33, 129]], tolerance: 5e-5, build: { try $1[0].linear($1[1]) }
    ) { x in
      Reference([65, 33]) { at in (0..<129).reduce(0.0) { $0 + x[0][[at[0], $1]] * x[1][[at[1], $1]] } }
    },
  ]

  /// Instances of `rows` rows, groups of `group` channels: the norm of x[0] with weight x[1] and bias x[2].
  private static func normalised(_ x: [Reference], rows: Int, group: Int) -> Reference {
    let (channels, values) = (x[1].values.count, x[0].values)
    var result = values
    for start in stride(from: 0, to: values.count, by: rows * channels) {
      for first in stride(from: 0, to: channels, by: group) {
        let places = (0..<rows).flatMap { row in (first..<first + group).map { start + row * channels + $0 } }
        let mean = places.reduce(0) { $0 + values[$1] } / Double(places.count)
        let variance = places.reduce(0) { $0 + (values[$1] - mean) * (values[$1] - mean) } / Double(places.count)
        for i in places {
          result[i] =
            (values[i] - mean) / (variance + 1e-5).squareRoot() * x[1].values[i % channels] + x[2].values[i % channels]
        }
      }
    }
    return Reference(x[0].shape, result)
  }
}
