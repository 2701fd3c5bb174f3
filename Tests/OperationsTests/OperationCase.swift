import Lowering
import Testing

/// A tensor of doubles, for references that share no code with the engine.
struct Reference {
  var shape: [Int]
  var values: [Double]

  init(_ shape: [Int], _ values: [Double]) { (self.shape, self.values) = (shape, values) }
  init(_ shape: [Int], _ value: ([Int]) -> Double) {
    self.shape = shape
    values = []
    let count = shape.reduce(1, *)
    for flat in 0..<count {
      var (index, remainder) = ([Int](repeating: 0, count: shape.count), flat)
      for axis in shape.indices.reversed() {
        index[axis] = remainder % shape[axis]
        remainder /= shape[axis]
      }
      values.append(value(index))
    }
  }

  /// The element at an index; extents of 1 stretch.
  subscript(_ index: [Int]) -> Double {
    var flat = 0
    let front = index.count - shape.count
    for axis in shape.indices { flat = flat * shape[axis] + (shape[axis] == 1 ? 0 : index[axis + front]) }
    return values[flat]
  }
}

/// The largest difference between numbers; not a number where any is none, so that no bar holds.
func largestDifference(_ found: some Sequence<Float>, _ expected: some Sequence<Double>) -> Double {
  zip(found, expected).reduce(0) { largest, pair in
    let difference = abs(Double(pair.0) - pair.1)
    return difference.isNaN || largest.isNaN ? .nan : max(largest, difference)
  }
}

/// One operation with inputs: from this come its test against a naive reference, its gradient check and its test over threads.
struct OperationCase: CustomTestStringConvertible, Sendable {
  let name: String
  let shapes: [[Int]]
  /// Inputs are uniform in this range.
  var range: ClosedRange<Float> = -1...1
  /// How many leading inputs are trained; the others are data.
  var trained: Int?
  var tolerance = 1e-5
  /// How convolutions are computed.
  var convolution = ConvolutionAlgorithm.preferred
  /// Values of inputs that are not drawn, by index.
  var fixed: [Int: [Float]] = [:]
  /// Names of the last inputs, where `build` declares them itself.
  var declared: [String] = []
  let build: @Sendable (Graph, [Symbol]) throws -> Symbol
  let reference: @Sendable ([Reference]) -> Reference

  var testDescription: String { "\(name) \(shapes)" }

  /// Inputs from a seed; neighbours differ, so that maxima are not tied.
  func inputs(seed: UInt64) -> [Tensor] {
    var stream = CounterRandom(seed: seed).stream(.test)
    return shapes.enumerated().map { index, shape in
      let drawn = (0..<shape.reduce(1, *)).map { _ in stream.uniform(range.lowerBound, range.upperBound) }
      return Tensor(Shape(shape), fixed[index] ?? drawn)
    }
  }

  /// The name of an input's variable.
  func name(_ input: Int) -> String {
    let own = shapes.count - declared.count
    return input < own ? "x\(input)" : declared[input - own]
  }
}

/// A compiled case: inputs are variables, so that their gradients can be had; the loss is a fixed random weighing of the output.
struct CompiledCase {
  let test: OperationCase
  let variables: Variables
  let program: Program
  let steps: [Program.Step]

  init(_ test: OperationCase, threads: Int, weights: [Float]? = nil) throws {
    self.test = test
    let graph = Graph()
    let symbols = test.shapes.dropLast(test.declared.count).enumerated().map { index, shape in
      graph.variable(
        Variable(
          "x\(index)", TensorType(Shape(shape)),
          index < test.trained ?? test.shapes.count ? .parameter(decays: true) : .state,
          start: .constant(0)))
    }
    let output = try test.build(graph, symbols)
    var outputs = ["output": output]
    var gradients: [(variable: Variable, gradient: Symbol)] = []
    if weights != nil {
      let weighing = graph.variable(Variable("weights", output.type, .state, start: .constant(0)))
      let loss = try output.times(weighing).reshaped([output.shape.count]).sum(axes: 0..<1, keepsAxes: true)
      outputs["loss"] = loss
      gradients = try graph.differentiate(loss) { try $0.plus($1) }
    }
    variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
    variables.initialise(seed: 0)
    program = try Program(
      graph, outputs: outputs, gradients: gradients, variables: variables, arena: Arena(),
      team: ThreadTeam(count: threads), lowerings: .processor(test.convolution))
    steps = program.steps
    if let weights, let index = variables.index("weights") { variables.set(index, Tensor(output.shape, weights)) }
  }

  func set(_ inputs: [Tensor]) {
    for (index, input) in inputs.enumerated() {
      if let place = variables.index(test.name(index)) { variables.set(place, input) }
    }
  }

  func run() throws -> Tensor {
    program.run()
    return try #require(program.output("output"))
  }
}
