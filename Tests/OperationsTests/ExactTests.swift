import Foundation
import Operations
import Testing

/// Exact convolutions, and what lies between them, compute in double precision.
struct ExactTests {
  private let images = 3
  private let size = 9
  private let channels = 11

  /// A stem with pooling and a residual block, stored as float32, is the nearest float32 of the same in double precision.
  @Test(arguments: [0, 1, 2] as [UInt64])
  func aTrunkOfExactConvolutionsIsRoundedOnce(seed: UInt64) throws {
    let graph = Graph()
    var weights: [(name: String, shape: [Int])] = []
    func convolution(_ x: Symbol, _ kernel: Int, _ name: String, from inputs: Int) throws -> Symbol {
      weights.append((name, [kernel, kernel, inputs, channels]))
      let type = TensorType([kernel, kernel, inputs, channels])
      return try x.convolution(
        graph.variable(Variable(name, type, .state, start: .normal(deviation: 0.3))), padding: kernel / 2,
        algorithm: .exact)
    }
    func norm(_ x: Symbol, _ name: String, relu: Bool) throws -> Symbol {
      try x.batchNorm(BatchNormVariables(graph, name, channels: channels), relu: relu, isTraining: true)
    }
    let input = graph.input("x", TensorType([images, size, size, 3]))
    let stem = try norm(try convolution(input, 3, "stem", from: 3), "n0", relu: true)
      .maxPool(kernel: 3, stride: 1, padding: 1)
    let first = try norm(try convolution(stem, 3, "a", from: channels), "n1", relu: true)
    let second = try norm(try convolution(first, 1, "b", from: channels), "n2", relu: false)
    let shortcut = try norm(try convolution(stem, 1, "c", from: channels), "n3", relu: false)
    let block = try second.residualSum(shortcut)
    let last = try convolution(block, 3, "d", from: channels)
    let variables = try Variables(graph.variables)
    variables.initialise(seed: seed)
    let program = try Program(
      graph, outputs: ["y": last], variables: variables, arena: Arena(), team: ThreadTeam(count: 2))
    var stream = CounterRandom(seed: seed).stream(.test)
    let pixels = (0..<images * size * size * 3).map { _ in stream.normal() }
    program.set("x", pixels)
    program.run()
    let found = try #require(program.output("y")).values

    func weight(_ name: String) throws -> Reference {
      let index = try #require(variables.index(name))
      let shape = try #require(weights.first { $0.name == name }).shape
      return Reference(shape, variables.values(index).map(Double.init))
    }
    let x = Reference([images, size, size, 3], pixels.map(Double.init))
    let s = pooled(normed(convolved(x, try weight("stem"))).map { max(0, $0) })
    let f = normed(convolved(s, try weight("a"))).map { max(0, $0) }
    let (left, right) = (normed(convolved(f, try weight("b"))), normed(convolved(s, try weight("c"))))
    let sum = Reference(left.shape, zip(left.values, right.values).map { max(0, $0 + $1) })
    let expected = convolved(sum, try weight("d")).values
    let scale = (expected.reduce(0) { $0 + $1 * $1 } / Double(expected.count)).squareRoot()
    for (a, b) in zip(found, expected) {
      #expect(abs(Double(a) - b) <= Double(a.ulp) / 2 + 1e-11 * scale, "seed \(seed): \(a) for \(b)")
    }
  }

  /// Operations between exact convolutions keep rests too: what they store is the nearest float32 of double precision.
  @Test(arguments: OperationCase.keepingRests)
  func operationsOnValuesWithRestsAreRoundedOnce(_ test: OperationCase) throws {
    let exact = OperationCase(
      name: test.name, shapes: test.shapes, range: test.range,
      build: { graph, x in
        try test.build(graph, x.map { try $0.shape.rank > 1 ? third($0) : $0 })
      }, reference: test.reference)
    let inputs = test.inputs(seed: 4)
    let compiled = try CompiledCase(exact, threads: 2)
    compiled.set(inputs)
    try setThirds(compiled)
    let found = try compiled.run().values
    let expected = test.reference(
      inputs.map { input in
        Reference(
          input.shape.dimensions, input.values.map { Double($0) * (input.shape.rank > 1 ? Double(Float(1) / 3) : 1) })
      }
    ).values
    for (a, b) in zip(found, expected) {
      #expect(abs(Double(a) - b) <= Double(a.ulp) / 2 + 1e-12, "\(test.testDescription): \(a) for \(b)")
    }
  }

  /// Where two values round to one float32, gradients go where the greater one is.
  @Test func gradientsSeeRests() throws {
    var value: Float = 1.5
    while value / 3 != value.nextUp / 3 { value = value.nextUp }
    let (less, more) = (value, value.nextUp)
    func gradient(_ shape: [Int], _ build: @escaping @Sendable (Symbol) throws -> Symbol) throws -> [Float] {
      let test = OperationCase(name: "", shapes: [shape], build: { try build(third($1[0])) }, reference: { $0[0] })
      let compiled = try CompiledCase(test, threads: 1, weights: [3])
      compiled.set([Tensor(Shape(shape), [less, more])])
      try setThirds(compiled)
      _ = try compiled.run()
      return compiled.variables.gradientTensor(try #require(compiled.variables.index("x0"))).values
    }
    #expect(try gradient([1, 1, 2, 1]) { try $0.adaptiveMaxPool(1) } == [0, 1])
    #expect(try gradient([1, 1, 2, 1]) { try $0.maximum(axes: 2..<3) } == [0, 1])
    #expect(
      try gradient([2, 1]) {
        let sides = try $0.split(2)
        return try sides[0].absoluteDifference(sides[1])
      } == [-1, 1])
  }

  private func convolved(_ x: Reference, _ weight: Reference) -> Reference {
    let (kernel, inputs) = (weight.shape[0], weight.shape[2])
    return Reference([images, size, size, channels]) { at in
      var sum = 0.0
      for i in 0..<kernel {
        for j in 0..<kernel {
          let (row, column) = (at[1] + i - kernel / 2, at[2] + j - kernel / 2)
          guard (0..<size).contains(row), (0..<size).contains(column) else { continue }
          for k in 0..<inputs { sum += x[[at[0], row, column, k]] * weight[[i, j, k, at[3]]] }
        }
      }
      return sum
    }
  }

  private func normed(_ x: Reference) -> Reference {
    let rows = x.values.count / channels
    func mean(_ channel: Int, _ value: (Double) -> Double) -> Double {
      (0..<rows).reduce(0) { $0 + value(x.values[$1 * channels + channel]) } / Double(rows)
    }
    let means = (0..<channels).map { mean($0) { $0 } }
    let inverses = means.indices.map { c in 1 / (mean(c) { ($0 - means[c]) * ($0 - means[c]) } + 1e-5).squareRoot() }
    return Reference(x.shape, x.values.indices.map { (x.values[$0] - means[$0 % channels]) * inverses[$0 % channels] })
  }

  private func pooled(_ x: Reference) -> Reference {
    Reference(x.shape) { at in
      var most = -Double.infinity
      for i in max(0, at[1] - 1)...min(size - 1, at[1] + 1) {
        for j in max(0, at[2] - 1)...min(size - 1, at[2] + 1) { most = max(most, x[[at[0], i, j, at[3]]]) }
      }
      return most
    }
  }
}

extension Reference {
  fileprivate func map(_ body: (Double) -> Double) -> Reference { Reference(shape, values.map(body)) }
}

extension OperationCase {
  /// Cases whose output has rests where its first input has.
  fileprivate static let keepingRests = (elementwise + reductions + shapes + pools + norms + products)
    .filter { $0.shapes[0].count > 1 }
}

/// A third of `x` with its rests: an exact convolution of [1,rows,1,C] with a matrix that `setThirds` fills.
private func third(_ x: Symbol) throws -> Symbol {
  let channels = x.shape.channels
  let name = "third of \(x.graph.variables.count)"
  let weight = x.graph.variable(
    Variable(name, TensorType([1, 1, channels, channels]), .state, start: .constant(0)))
  let y = try x.reshaped([1, x.shape.rows, 1, channels]).convolution(weight, algorithm: .exact)
  #expect(y.type.hasRests)
  return try y.reshaped(x.shape)
}

private func setThirds(_ compiled: CompiledCase) throws {
  for (index, variable) in compiled.variables.list.enumerated() where variable.name.hasPrefix("third") {
    let channels = variable.type.shape.channels
    let values = (0..<channels * channels).map { $0 % (channels + 1) == 0 ? Float(1) / 3 : 0 }
    compiled.variables.set(index, Tensor(variable.type.shape, values))
  }
}
