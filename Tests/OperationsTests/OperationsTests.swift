import Allocations
import Glibc
import Lowering
import Testing

struct OperationsTests {
  private static let seeds: [UInt64] = [1, 2]

  @Test(arguments: OperationCase.all)
  func agreesWithTheNaiveReference(_ test: OperationCase) throws {
    for seed in Self.seeds {
      let inputs = test.inputs(seed: seed)
      let compiled = try CompiledCase(test, threads: 1)
      compiled.set(inputs)
      let found = try compiled.run()
      let expected = test.reference(inputs.map { Reference($0.shape.dimensions, $0.values.map(Double.init)) })
      #expect(found.shape.dimensions == expected.shape, "\(test.testDescription), seed \(seed)")
      let worst = largestDifference(found.values, expected.values)
      #expect(worst <= test.tolerance, "\(test.testDescription), seed \(seed): off by \(worst)")
    }
  }

  /// Central differences of a random weighing of the output, along a random direction of each trained input, against the
  /// gradient; steps small enough to stay on one side of most corners. What is allowed is a share of the root of the sum of squares,
  /// so that a few wrong elements among many are not lost in the sum.
  @Test(arguments: OperationCase.all)
  func gradientsAgreeWithFiniteDifferences(_ test: OperationCase) throws {
    for seed in Self.seeds {
      var stream = CounterRandom(seed: seed).stream(.test, 1)
      let inputs = test.inputs(seed: seed)
      let reference = { (inputs: [[Double]]) in
        test.reference(zip(test.shapes, inputs).map { Reference($0, $1) })
      }
      let exact = inputs.map { $0.values.map(Double.init) }
      let weights = reference(exact).values.map { _ in stream.uniform(-1, 1) }
      let compiled = try CompiledCase(test, threads: 2, weights: weights)
      compiled.set(inputs)
      _ = try compiled.run()
      for index in 0..<(test.trained ?? test.shapes.count) {
        let place = try #require(compiled.variables.index(test.name(index)))
        let gradient = compiled.variables.gradientTensor(place).values
        let direction = gradient.map { _ in Double(stream.uniform(-1, 1)) }
        let expected = zip(gradient, direction).reduce(0.0) { $0 + Double($1.0) * $1.1 }
        func loss(_ step: Double) -> Double {
          var moved = exact
          for i in direction.indices { moved[index][i] += step * direction[i] }
          return zip(reference(moved).values, weights).reduce(0) { $0 + $1.0 * Double($1.1) }
        }
        let step = 1e-6
        let found = (loss(step) - loss(-step)) / (2 * step)
        let scale = zip(gradient, direction).reduce(0.0) { $0 + pow(Double($1.0) * $1.1, 2) }.squareRoot()
        #expect(
          abs(found - expected) <= 1e-3 * scale + 1e-5,
          "\(test.testDescription), seed \(seed), input \(index): \(expected), differences say \(found)")
      }
    }
  }

  @Test(arguments: OperationCase.all)
  func bitsDoNotDependOnThreads(_ test: OperationCase) throws {
    let inputs = test.inputs(seed: 3)
    var first: [[Float]]?
    for threads in [1, 2, 3, 8] {
      let count = test.reference(inputs.map { Reference($0.shape.dimensions, $0.values.map(Double.init)) }).values.count
      let compiled = try CompiledCase(test, threads: threads, weights: (0..<count).map { Float($0 % 7) - 3 })
      compiled.set(inputs)
      let output = try compiled.run().values
      let gradients = compiled.variables.parameters.map { compiled.variables.gradientTensor($0).values }
      let all = [output] + gradients
      if let first { #expect(first == all, "\(test.testDescription) with \(threads) threads") }
      first = first ?? all
    }
  }

  @Test(arguments: OperationCase.all)
  func nothingIsAllocatedInARun(_ test: OperationCase) throws {
    let inputs = test.inputs(seed: 3)
    let count = test.reference(inputs.map { Reference($0.shape.dimensions, $0.values.map(Double.init)) }).values.count
    let compiled = try CompiledCase(test, threads: 1, weights: (0..<count).map { Float($0 % 7) - 3 })
    compiled.set(inputs)
    compiled.program.run()
    let before = allocation_count()
    compiled.program.run()
    #expect(allocation_count() == before, "\(test.testDescription)")
  }

  @Test(arguments: OperationCase.all)
  func costsAreCounted(_ test: OperationCase) throws {
    let steps = try CompiledCase(test, threads: 1, weights: nil).steps
    #expect(steps.reduce(0) { $0 + $1.cost.bytes } > 0)
    if test.name.hasPrefix("convolution") {
      let output = test.reference(test.shapes.map { Reference($0) { _ in 0 } }).values.count
      let taps = test.shapes[1].dropLast().reduce(1, *)
      #expect(steps.reduce(0) { $0 + $1.cost.flops } == 2 * output * taps)
    }
  }

  @Test func shapeRulesSayWhatDoesNotFit() {
    let graph = Graph()
    let x = graph.input("x", TensorType([2, 4, 4, 3]))
    let weight = graph.input("w", TensorType([3, 3, 5, 8]))
    let error = #expect(throws: Failure.self) { try x.convolution(weight, padding: 1) }
    #expect(error?.message.contains("convolution of F32[2, 4, 4, 3], F32[3, 3, 5, 8]") == true)
    #expect(throws: Failure.self) { try x.plus(weight) }
    #expect(throws: Failure.self) { try x.concatenated([weight], axis: 3) }
  }
}
