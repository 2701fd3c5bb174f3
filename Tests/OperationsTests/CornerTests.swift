import Operations
import Testing

/// What gradients are where finite differences say nothing: at ties, at corners and below an epsilon; as PyTorch has them unless said.
struct CornerTests {
  /// The gradients of all inputs of `build`, which are given as shapes and values, where the output's gradient is `upstream`.
  private func gradients(
    _ inputs: [(shape: [Int], values: [Float])], upstream: [Float],
    _ build: @escaping @Sendable (Graph, [Symbol]) throws -> Symbol
  ) throws -> [[Float]] {
    let values = Dictionary(uniqueKeysWithValues: inputs.enumerated().map { ($0.offset, $0.element.values) })
    let test = OperationCase(name: "", shapes: inputs.map(\.shape), fixed: values, build: build) { $0[0] }
    let compiled = try CompiledCase(test, threads: 2, weights: upstream)
    compiled.set(test.inputs(seed: 0))
    _ = try compiled.run()
    return try inputs.indices.map {
      compiled.variables.gradientTensor(try #require(compiled.variables.index("x\($0)"))).values
    }
  }

  /// As `amax`: equal maxima share evenly.
  @Test func aTiedMaximumSharesItsGradient() throws {
    let found = try gradients([([2, 4], [3, 1, 3, 3, 0, 5, 4, 2])], upstream: [6, 7]) { try $1[0].maximum(axes: 1..<2) }
    #expect(found == [[2, 0, 2, 2, 0, 7, 0, 0]])
  }

  /// The first of equal elements of a window gets its gradient.
  @Test func tiedPoolsGiveTheFirst() throws {
    let map: [Float] = [1, 1, 1, 1, 1, 1, 1, 1, 1]
    let pooled = try gradients([([1, 3, 3, 1], map)], upstream: [1, 2, 4, 8]) {
      try $1[0].maxPool(kernel: 2, stride: 1, padding: 0)
    }
    #expect(pooled == [[1, 2, 0, 4, 8, 0, 0, 0, 0]])
    let adaptive = try gradients([([1, 3, 3, 1], map)], upstream: [1, 2, 4, 8]) { try $1[0].adaptiveMaxPool(2) }
    #expect(adaptive == [[1, 2, 0, 4, 8, 0, 0, 0, 0]])
  }

  @Test func cornersHaveNoSlope() throws {
    let x: [Float] = [-1, 0, 2, -0.0]
    #expect(try gradients([([4], x)], upstream: [1, 1, 1, 1]) { try $1[0].relu() } == [[0, 0, 1, 0]])
    let differences = try gradients([([3], [1, 2, 3]), ([3], [1, 3, 2])], upstream: [5, 6, 7]) {
      try $1[0].absoluteDifference($1[1])
    }
    #expect(differences == [[0, -6, 7], [0, 6, -7]])
    let sums = try gradients([([3], [1, -2, 3]), ([3], [-1, 1, 2])], upstream: [5, 6, 7]) {
      try $1[0].residualSum($1[1])
    }
    #expect(sums == [[0, 0, 7], [0, 0, 7]])
  }

  /// A row shorter than epsilon is divided by epsilon, and so is its gradient.
  @Test func shortRowsAreDividedByEpsilon() throws {
    let found = try gradients([([1, 2], [3e-8, 4e-8])], upstream: [1, -2]) { try $1[0].l2Normalised() }
    let (a, b) = (found[0][0], found[0][1])
    #expect(abs(a / 1e6 - 1) < 1e-5 && abs(b / -2e6 - 1) < 1e-5)
    let zero = try gradients([([1, 2], [0, 0])], upstream: [1, -2]) { try $1[0].l2Normalised() }
    #expect(zero[0].allSatisfy { $0.isFinite })
  }
}
