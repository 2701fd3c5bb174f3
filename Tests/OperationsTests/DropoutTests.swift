import Lowering
import Testing

struct DropoutTests {
  /// Runs dropout on ones; each pair has its (seed, epoch, position).
  private func masks(_ keys: [(seed: UInt32, epoch: UInt32, position: UInt32)], width: Int, rate: Float) throws
    -> [[Float]]
  {
    let graph = Graph()
    let x = graph.input("x", TensorType([keys.count, width]))
    let output = try x.dropout(rate, keys: graph.input("keys", TensorType([keys.count, 4], .int32)))
    let program = try Program(
      graph, outputs: ["y": output], variables: Variables([]), arena: Arena(), team: ThreadTeam(count: 2))
    program.set("x", Array(repeating: 1, count: keys.count * width))
    program.fillBytes("keys") { bytes in
      let words = bytes.bindMemory(to: UInt32.self)
      for (i, key) in keys.enumerated() {
        (words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]) = (key.seed, 0, key.epoch, key.position)
      }
    }
    program.run()
    let values = try #require(program.output("y")).values
    return keys.indices.map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  @Test func aMaskFollowsFromThePlaceAlone() throws {
    let together = try masks([(7, 0, 0), (7, 0, 1), (7, 1, 0), (8, 0, 0)], width: 333, rate: 0.3)
    let alone = try masks([(7, 1, 0)], width: 333, rate: 0.3)
    #expect(alone[0] == together[2])
    #expect(Set(together).count == 4)
  }

  /// What an element's gradient is multiplied by is what the element was multiplied by.
  @Test func theGradientHasTheSameMask() throws {
    let graph = Graph()
    let x = graph.variable(Variable("x", TensorType([3, 77]), .parameter(decays: true), start: .constant(1)))
    let y = try x.dropout(0.4, keys: graph.input("keys", TensorType([3, 4], .int32)))
    let loss = try y.reshaped([y.shape.count]).sum(axes: 0..<1, keepsAxes: true)
    let gradients = try graph.differentiate(loss) { try $0.plus($1) }
    let variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
    variables.initialise(seed: 0)
    let program = try Program(
      graph, outputs: ["y": y], gradients: gradients, variables: variables, arena: Arena(), team: ThreadTeam(count: 2))
    program.fillBytes("keys") { for i in $0.indices { $0[i] = UInt8(i) } }
    program.run()
    let values = try #require(program.output("y")).values
    #expect(variables.gradientTensor(0).values == values && Set(values).count == 2)
  }

  @Test func theRateIsKeptAndTheMeanToo() throws {
    let mask = try masks([(1, 2, 3)], width: 40_000, rate: 0.25)[0]
    #expect(Set(mask) == [0, 1 / 0.75])
    #expect(abs(Double(mask.count { $0 == 0 }) / 40_000 - 0.25) < 0.01)
  }
}
