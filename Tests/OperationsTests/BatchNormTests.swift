import Lowering
import Testing

struct BatchNormTests {
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
      let worst =
        own.enumerated().map { row, value in
          abs(Double(found[row * channels + channel]) - (value - mean) / (variance + 1e-5).squareRoot())
        }.max() ?? 0
      #expect(worst < 1e-6, "seed \(seed), channel \(channel): off by \(worst)")
    }
  }
}
