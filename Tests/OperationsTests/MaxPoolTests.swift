import Lowering
import Testing

struct MaxPoolTests {
  @Test func whatIsNotANumberIsNeverHidden() throws {
    let graph = Graph()
    let output = try graph.input("x", TensorType([1, 4, 4, 20])).maxPool(kernel: 3, stride: 2, padding: 1)
    let program = try Program(
      graph, outputs: ["y": output], variables: Variables([]), arena: Arena(), team: ThreadTeam(count: 1))
    for place in 0..<16 {
      // One pixel of one channel; every window that covers it must show it.
      var map = [Float](repeating: 1, count: 16 * 20)
      map[place * 20 + 17] = .nan
      program.set("x", map)
      program.run()
      let values = try #require(program.output("y")).values
      let shown = values.indices.filter { values[$0].isNaN }
      let (y, x) = (place / 4, place % 4)
      let covering = (0..<4).filter { abs($0 / 2 * 2 - y) <= 1 && abs($0 % 2 * 2 - x) <= 1 }
      #expect(shown == covering.map { $0 * 20 + 17 }, "pixel \(place)")
    }
  }
}
