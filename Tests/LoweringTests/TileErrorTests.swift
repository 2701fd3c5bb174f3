import Lowering
import Testing

/// How far convolutions are from double precision, layer shape by layer shape.
@Suite(.serialized)
struct TileErrorTests {
  /// (map, channels) of ResNet's 3x3 convolutions at 224 pixels.
  @Test(arguments: [(56, 64), (28, 128), (14, 256), (7, 512)])
  func tilesAreNearlyAsPreciseAsProducts(_ shape: (map: Int, channels: Int)) throws {
    let (map, channels) = shape
    var stream = CounterRandom(seed: 11).stream(.test)
    let x = (0..<2 * map * map * channels).map { _ in max(0, stream.normal()) }
    let deviation = (2 / Float(9 * channels)).squareRoot()
    let w = (0..<9 * channels * channels).map { _ in deviation * stream.normal() }
    var errors: [ConvolutionAlgorithm: (largest: Double, typical: Double)] = [:]
    for algorithm in [ConvolutionAlgorithm.direct, .winograd] {
      let graph = Graph()
      let input = graph.input("x", TensorType([2, map, map, channels]))
      let weight = graph.input("w", TensorType([3, 3, channels, channels]))
      let y = try input.convolution(weight, padding: 1)
      let program = try Program(
        graph, outputs: ["y": y], variables: Variables([]), arena: Arena(), team: ThreadTeam(count: 2),
        lowerings: .processor(algorithm))
      program.set("x", x)
      program.set("w", w)
      program.run()
      let found = try #require(program.output("y")).values
      var (largest, squares, scale, count) = (0.0, 0.0, 0.0, 0)
      for place in stride(from: 0, to: found.count, by: max(1, found.count / 400)) {
        let (row, channel) = (place / channels, place % channels)
        let (image, i, j) = (row / (map * map), row / map % map, row % map)
        var sum = 0.0
        for a in 0..<3 {
          for b in 0..<3 where (0..<map).contains(i + a - 1) && (0..<map).contains(j + b - 1) {
            let pixel = ((image * map + i + a - 1) * map + j + b - 1) * channels
            for k in 0..<channels {
              sum += Double(x[pixel + k]) * Double(w[((a * 3 + b) * channels + k) * channels + channel])
            }
          }
        }
        largest = max(largest, abs(Double(found[place]) - sum))
        squares += (Double(found[place]) - sum) * (Double(found[place]) - sum)
        scale += sum * sum
        count += 1
      }
      scale = (scale / Double(count)).squareRoot()
      errors[algorithm] = (largest / scale, (squares / Double(count)).squareRoot() / scale)
    }
    let (direct, tiles) = (try #require(errors[.direct]), try #require(errors[.winograd]))
    print("\(map)x\(map), \(channels) channels, relative to the outputs' RMS:")
    print("product \(direct), tiles \(tiles)")
    #expect(tiles.largest < 2e-5 && tiles.typical < 3e-6)
    #expect(direct.largest < 5e-6 && direct.typical < 1e-6)
  }
}
