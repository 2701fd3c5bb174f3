import Graphs

/// Convolution without bias over channels-last maps: [N,H,W,I] and weight [kh,kw,I,O] -> [N,H',W',O].
package struct Convolution: Operation {
  package let stride: Int
  package let padding: Int

  package var name: String { "convolution" }

  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    let (map, weight) = (inputs[0].shape, inputs[1].shape)
    guard map.rank == 4, weight.rank == 4, map[3] == weight[2] else {
      throw misfit(self, inputs, "a map [N,H,W,I] and a weight [kh,kw,I,O] were expected")
    }
    guard map[1] + 2 * padding >= weight[0], map[2] + 2 * padding >= weight[1] else {
      throw misfit(self, inputs, "the kernel exceeds the padded map")
    }
    let extent = { (axis: Int) in (map[axis + 1] + 2 * padding - weight[axis]) / stride + 1 }
    return [TensorType([map[0], extent(0), extent(1), weight[3]], inputs[0].element)]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let (map, weight) = (context.inputs[0], context.inputs[1])
    let weightGradient = try map.graph.apply(
      WeightGradient(stride: stride, padding: padding, weight: weight.shape), [map, upstream])[0]
    guard context.wanted[0] else { return [nil, weightGradient] }
    let mapGradient = try map.graph.apply(
      MapGradient(stride: stride, padding: padding, map: map.shape), [upstream, weight])[0]
    return [mapGradient, weightGradient]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * outputs[0].shape.rows * inputs[1].shape.count, inputs, outputs)
  }

  /// The gradient of the map: gradient of the output, weight [, addend] -> [N,H,W,I].
  package struct MapGradient: Operation {
    package let stride: Int
    package let padding: Int
    package let map: Shape
    /// Whether the products are added to a third input.
    package var adds = false

    package var name: String { "convolution-map-gradient" }
    package var traits: Traits { Traits(overwrites: adds ? 2 : nil) }
    /// The same gradient with the products added to a third input; nil where they are already.
    package var accumulating: MapGradient? {
      adds ? nil : MapGradient(stride: stride, padding: padding, map: map, adds: true)
    }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(map)] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[0].shape.rows * inputs[1].shape.count, inputs, outputs)
    }
  }

  /// The gradient of the weight: map, gradient of the output [, addend] -> [kh,kw,I,O].
  package struct WeightGradient: Operation {
    package let stride: Int
    package let padding: Int
    package let weight: Shape
    /// Whether the gradient is added to a third input.
    package var adds = false

    package var name: String { "convolution-weight-gradient" }
    package var traits: Traits { Traits(overwrites: adds ? 2 : nil) }
    /// The same gradient, added to a third input; nil where it is already.
    package var accumulating: WeightGradient? {
      adds ? nil : WeightGradient(stride: stride, padding: padding, weight: weight, adds: true)
    }
    package func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [TensorType(weight)] }
    package func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: 2 * inputs[1].shape.rows * weight.count, inputs, outputs)
    }
  }
}

extension Symbol {
  /// Convolution of a map [N,H,W,I] with a weight [kh,kw,I,O].
  public func convolution(_ weight: Symbol, stride: Int = 1, padding: Int = 0) throws -> Symbol {
    try graph.apply(Convolution(stride: stride, padding: padding), [self, weight])[0]
  }
}
