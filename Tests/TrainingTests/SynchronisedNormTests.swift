import Testing
import Training

/// Batch norm over the maps of several programs that run side by side, against a naive one over all rows at once.
struct SynchronisedNormTests {
  private static let (height, width, channels) = (2, 3, 5)
  private static let rowsOfAMap = height * width

  /// Maps, weights of the loss, and the norm's own weight and bias, for `maps` maps.
  private struct Values {
    let x, weighing, weight, bias: [Float]

    init(maps: Int, seed: UInt64) {
      var stream = CounterRandom(seed: seed).stream(.test)
      let count = maps * rowsOfAMap * channels
      // Maps lie apart, so that ranks' means differ.
      x = (0..<count).map { Float($0 / (rowsOfAMap * channels)) + stream.uniform(-1, 1) }
      weighing = (0..<count).map { _ in stream.uniform(-1, 1) }
      weight = (0..<channels).map { _ in stream.uniform(0.5, 1.5) }
      bias = (0..<channels).map { _ in stream.uniform(-0.5, 0.5) }
    }
  }

  /// What one program came to.
  private struct Found {
    let output, map, weight, bias, mean, variance: [Float]
  }

  /// The naive norm, and the loss: the outputs' weighted sum.
  private static func naive(_ x: [Double], _ weight: [Double], _ bias: [Double], _ weighing: [Float], relu: Bool) -> (
    output: [Double], loss: Double, mean: [Double], variance: [Double]
  ) {
    let rows = x.count / channels
    var (mean, variance) = ([Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels))
    for (i, value) in x.enumerated() { mean[i % channels] += value / Double(rows) }
    for (i, value) in x.enumerated() {
      variance[i % channels] += (value - mean[i % channels]) * (value - mean[i % channels]) / Double(rows)
    }
    let output = x.enumerated().map { i, value in
      let c = i % channels
      let y = weight[c] * (value - mean[c]) / (variance[c] + 1e-5).squareRoot() + bias[c]
      return relu ? max(0, y) : y
    }
    return (output, zip(output, weighing).reduce(0) { $0 + $1.0 * Double($1.1) }, mean, variance)
  }

  /// The engine's program for the maps `share` of `all`, with its variables.
  private static func program(
    _ place: StepPlace, _ share: Range<Int>, of all: Int, _ values: Values, relu: Bool, threads: Int
  ) throws -> (program: Program, variables: Variables) {
    let elements = share.lowerBound * rowsOfAMap * channels..<share.upperBound * rowsOfAMap * channels
    let graph = Graph()
    let type = TensorType([share.count, height, width, channels])
    let x = graph.variable(Variable("x", type, .parameter(decays: false), start: .constant(0)))
    let y = try x.batchNorm(
      BatchNormVariables(graph, "norm", channels: channels), relu: relu, isTraining: true, stepRows: all * rowsOfAMap)
    let weighing = graph.variable(Variable("weighing", type, .state, start: .constant(0)))
    let loss = try y.times(weighing).reshaped([elements.count]).sum(axes: 0..<1, keepsAxes: true)
    let gradients = try graph.differentiate(loss) { try $0.plus($1) }
    let variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
    variables.initialise(seed: 0)
    func index(_ name: String) throws -> Int { try #require(variables.index(name)) }
    for (name, value) in [
      ("x", Array(values.x[elements])), ("weighing", Array(values.weighing[elements])),
      ("norm.weight", values.weight), ("norm.bias", values.bias),
    ] {
      _ = try variables.values(index(name)).update(fromContentsOf: value)
    }
    let program = try Program(
      graph, outputs: ["y": y, "loss": loss], gradients: gradients, variables: variables, arena: Arena(),
      team: ThreadTeam(count: threads), lowerings: .processor(place: place))
    return (program, variables)
  }

  /// What a program has come to.
  private static func found(_ program: Program, _ variables: Variables) throws -> Found {
    func index(_ name: String) throws -> Int { try #require(variables.index(name)) }
    func gradient(_ name: String) throws -> [Float] {
      let place = try index(name)
      return Array(try #require(variables.gradient(place)))
    }
    func state(_ name: String) throws -> [Float] { try Array(variables.values(index(name))) }
    return Found(
      output: try #require(program.output("y")).values, map: try gradient("x"), weight: try gradient("norm.weight"),
      bias: try gradient("norm.bias"), mean: try state("norm.running_mean"), variance: try state("norm.running_var"))
  }

  /// Outputs, gradients and running statistics are those of all rows; gradients of the naive norm are finite differences.
  @Test(arguments: [[5], [2, 3], [1, 1, 3], [2, 1, 1, 1]], [false, true])
  func programsTogetherAreOneNorm(_ maps: [Int], _ relu: Bool) throws {
    let seed: UInt64 = 4
    let all = maps.reduce(0, +)
    let values = Values(maps: all, seed: seed)
    let starts = maps.indices.map { maps[..<$0].reduce(0, +) }
    let table = StepTable()
    let made = try maps.indices.map { number in
      try Self.program(
        StepPlace(table, number), starts[number]..<starts[number] + maps[number], of: all, values, relu: relu,
        threads: 1 + number % 2)
    }
    let meetings = made[0].program.meetings
    #expect(meetings == [2 * Self.channels + 1, 2 * Self.channels])
    try table.begin(rows: maps.count, first: 0, columns: 2 * Self.channels + 1)
    for stretch in 0...meetings.count {
      for (program, _) in made { program.run(stretch: stretch) }
      table.turn()
    }
    let found = try made.map { try Self.found($0.program, $0.variables) }

    let (x, weight, bias) = (values.x.map(Double.init), values.weight.map(Double.init), values.bias.map(Double.init))
    let expected = Self.naive(x, weight, bias, values.weighing, relu: relu)
    func expect(_ what: String, _ found: [Float], _ expected: [Double]) {
      #expect(found.count == expected.count)
      let worst = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? 0
      #expect(worst < 1e-5, "seed \(seed), maps \(maps): \(what) is off by \(worst)")
    }
    /// Central differences of the naive loss with respect to one of its arguments.
    func slopes(_ values: [Double], _ loss: ([Double]) -> Double) -> [Double] {
      values.indices.map { index in
        var (more, less) = (values, values)
        more[index] += 1e-5
        less[index] -= 1e-5
        return (loss(more) - loss(less)) / 2e-5
      }
    }
    func sum(_ part: (Found) -> [Float]) -> [Float] {
      (0..<Self.channels).map { c in found.reduce(0) { $0 + part($1)[c] } }
    }
    let weighing = values.weighing
    expect("the output", found.flatMap(\.output), expected.output)
    expect(
      "the map's gradient", found.flatMap(\.map),
      slopes(x) { Self.naive($0, weight, bias, weighing, relu: relu).loss })
    expect(
      "the weight's gradient", sum(\.weight), slopes(weight) { Self.naive(x, $0, bias, weighing, relu: relu).loss })
    expect("the bias's gradient", sum(\.bias), slopes(bias) { Self.naive(x, weight, $0, weighing, relu: relu).loss })
    let unbiased = Double(all * Self.rowsOfAMap) / Double(all * Self.rowsOfAMap - 1)
    // They would move the same running statistics, which the first does for all.
    expect("the running mean", found[0].mean, expected.mean.map { 0.1 * $0 })
    expect("the running variance", found[0].variance, expected.variance.map { 0.9 + 0.1 * unbiased * $0 })
    for other in found.dropFirst() {
      #expect(other.mean.allSatisfy { $0 == 0 } && other.variance.allSatisfy { $0 == 1 })
    }
  }
}
