import Lowering
import Testing

/// Products skip what ReLU made zero.
struct ZerosTests {
  @Test(arguments: [0, 0.3, 0.5, 0.9, 1] as [Float])
  func mapsWithZerosAgreeWithTheNaiveReference(_ share: Float) throws {
    for seed in UInt64(1)...6 {
      var stream = CounterRandom(seed: seed).stream(.test)
      let (inputs, outputs) = (1 + stream.below(300), 60 + stream.below(300))
      let (kernel, stride) = [(1, 1), (1, 2), (3, 2)][stream.below(3)]
      let side = 3 + stream.below(9)
      let map = Self.map(pixels: side * side, channels: inputs, zeros: share, &stream)
      let weight = (0..<kernel * kernel * inputs * outputs).map { _ in stream.uniform(-1, 1) }
      let found = try Self.convolution(
        map, [1, side, side, inputs], weight, [kernel, kernel, inputs, outputs], stride)
      let (padding, extent) = (kernel / 2, (side - 1) / stride + 1)
      let expected = found.indices.map { place in
        let (pixel, o) = (place / outputs, place % outputs)
        var sum = 0.0
        for i in 0..<kernel {
          for j in 0..<kernel {
            let (y, x) = (pixel / extent * stride - padding + i, pixel % extent * stride - padding + j)
            guard (0..<side).contains(y), (0..<side).contains(x) else { continue }
            for k in 0..<inputs {
              let tap = weight[((i * kernel + j) * inputs + k) * outputs + o]
              sum += Double(map[(y * side + x) * inputs + k]) * Double(tap)
            }
          }
        }
        return sum
      }
      // A value that is no number is near to nothing.
      let far = zip(found, expected).first { !(abs(Double($0) - $1) <= 2e-4) }
      #expect(
        far == nil,
        "seed \(seed): \(inputs) to \(outputs) channels, \(kernel)x\(kernel), stride \(stride): \(String(describing: far))"
      )
    }
  }

  /// The first pixels, without any zero in one map and all zero in the other, decide how the others are computed.
  @Test func bitsDoNotDependOnWhetherZerosAreSkipped() throws {
    for seed in UInt64(1)...6 {
      var stream = CounterRandom(seed: seed).stream(.test)
      let (inputs, outputs, first) = (1 + stream.below(300), 128 + stream.below(300), 8)
      let pixels = first + 1 + stream.below(30)
      let dense = Self.map(pixels: first, channels: inputs, zeros: 0, &stream)
      let others = Self.map(pixels: pixels - first, channels: inputs, zeros: 0.5, &stream)
      let weight = (0..<inputs * outputs).map { _ in stream.uniform(-1, 1) }
      let both = try [dense, dense.map { _ in 0 }].map {
        try Self.convolution($0 + others, [1, 1, pixels, inputs], weight, [1, 1, inputs, outputs], 1)
          .dropFirst(first * outputs)
      }
      #expect(both[0] == both[1], "seed \(seed): \(inputs) to \(outputs) channels, \(pixels) pixels")
    }
  }

  private static func map(pixels: Int, channels: Int, zeros: Float, _ stream: inout CounterRandom.Stream) -> [Float] {
    (0..<pixels * channels).map { _ in
      let value = stream.uniform(0.01, 1)
      return stream.uniform(0, 1) < zeros ? 0 : value
    }
  }

  private static func convolution(
    _ map: [Float], _ shape: [Int], _ weight: [Float], _ weightShape: [Int], _ stride: Int
  ) throws -> [Float] {
    let graph = Graph()
    let kernel = Variable("weight", TensorType(Shape(weightShape)), .parameter(decays: true), start: .constant(0))
    let output = try graph.input("map", TensorType(Shape(shape))).convolution(
      graph.variable(kernel), stride: stride, padding: weightShape[0] / 2)
    let variables = try Variables(graph.variables)
    let program = try Program(
      graph, outputs: ["output": output], variables: variables, arena: Arena(), team: ThreadTeam(count: 2),
      lowerings: .processor(.direct))
    variables.set(try #require(variables.index("weight")), Tensor(Shape(weightShape), weight))
    program.set("map", map)
    program.run()
    return try #require(program.output("output")).values
  }
}
