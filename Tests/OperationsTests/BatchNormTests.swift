import Lowering
import Testing

struct BatchNormTests {
  /// Running moments move a tenth of the way to each batch's, the variance's unbiased; in evaluation they are what maps are
  /// normalised by.
  @Test func runningMomentsFollowTheBatches() throws {
    let (rows, channels) = (6, 3)
    func program(isTraining: Bool) throws -> (Program, Variables) {
      let graph = Graph()
      let x = graph.input("x", TensorType([2, 3, 1, channels]))
      let y = try x.batchNorm(
        BatchNormVariables(graph, "norm", channels: channels), relu: false, isTraining: isTraining)
      let variables = try Variables(graph.variables)
      variables.initialise(seed: 0)
      let team = try ThreadTeam(count: 1)
      return (try Program(graph, outputs: ["y": y], variables: variables, arena: Arena(), team: team), variables)
    }
    func place(_ name: String, _ variables: Variables) throws -> Int { try #require(variables.index("norm.\(name)")) }
    let (training, variables) = try program(isTraining: true)
    var stream = CounterRandom(seed: 2).stream(.test)
    var (mean, variance) = ([Double](repeating: 0, count: channels), [Double](repeating: 1, count: channels))
    for _ in 0..<4 {
      let values = (0..<rows * channels).map { _ in stream.uniform(-2, 3) }
      training.set("x", values)
      training.run()
      for k in 0..<channels {
        let own = stride(from: k, to: values.count, by: channels).map { Double(values[$0]) }
        let batch = own.reduce(0, +) / Double(rows)
        let squares = own.reduce(0) { $0 + ($1 - batch) * ($1 - batch) }
        mean[k] = 0.9 * mean[k] + 0.1 * batch
        variance[k] = 0.9 * variance[k] + 0.1 * squares / Double(rows - 1)
      }
    }
    let (foundMean, foundVariance) = (
      variables.values(try place("running_mean", variables)), variables.values(try place("running_var", variables))
    )
    for k in 0..<channels {
      #expect(abs(Double(foundMean[k]) - mean[k]) < 1e-6 && abs(Double(foundVariance[k]) - variance[k]) < 1e-6)
    }
    let count = variables.address(try place("num_batches_tracked", variables)).assumingMemoryBound(to: Int64.self)
    #expect(count.pointee == 4)

    let (evaluation, others) = try program(isTraining: false)
    for (name, values) in [
      ("running_mean", mean), ("running_var", variance), ("weight", [2, -1, 0.5]), ("bias", [1, 0, -3]),
    ] { others.set(try place(name, others), Tensor([channels], values.map { Float($0) })) }
    let values = (0..<rows * channels).map { _ in stream.uniform(-2, 3) }
    evaluation.set("x", values)
    evaluation.run()
    let found = try #require(evaluation.output("y")).values
    for i in values.indices {
      let k = i % channels
      let expected =
        (Double(values[i]) - mean[k]) / (variance[k] + 1e-5).squareRoot() * [2, -1, 0.5][k] + [1, 0, -3][k]
      #expect(abs(Double(found[i]) - expected) < 1e-5)
    }
  }

  /// The mean is summed in double precision and what float32 leaves of it is not lost: a map far from zero is normalised as well as
  /// one about zero.
  @Test(arguments: [0, 1, 2] as [UInt64])
  func aMeanFarFromZeroCostsNoPrecision(_ seed: UInt64) throws {
    let (rows, channels) = (500, 19)
    let graph = Graph()
    let x = graph.input("x", TensorType([1, rows, 1, channels]))
    let y = try x.batchNorm(BatchNormVariables(graph, "norm", channels: channels), relu: false, isTraining: true)
    let variables = try Variables(graph.variables)
    variables.initialise(seed: 0)
    let program = try Program(
      graph, outputs: ["y": y], variables: variables, arena: Arena(), team: ThreadTeam(count: 2))
    var stream = CounterRandom(seed: seed).stream(.test)
    let values = (0..<rows * channels).map { _ in 1000 + stream.uniform(-1, 1) }
    program.set("x", values)
    program.run()
    let found = try #require(program.output("y")).values
    for channel in 0..<channels {
      let own = stride(from: channel, to: values.count, by: channels).map { Double(values[$0]) }
      let mean = own.reduce(0, +) / Double(rows)
      let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rows)
      let worst = largestDifference(
        own.indices.map { found[$0 * channels + channel] },
        own.map { ($0 - mean) / (variance + 1e-5).squareRoot() })
      #expect(worst < 1e-6, "seed \(seed), channel \(channel): off by \(worst)")
    }
  }
}
