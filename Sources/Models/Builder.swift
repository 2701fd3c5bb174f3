import Foundation
import Operations

/// Writes layers into a graph under the names that PyTorch's modules would give their tensors.
struct Builder {
  let graph: Graph
  let isTraining: Bool
  let prefix: String
  /// The graph's own pairs and those of the whole step, where batch norm's moments are those of the step; nil: of the graph's own.
  let stepPairs: (own: Int, all: Int)?

  init(graph: Graph, isTraining: Bool, prefix: String = "", stepPairs: (own: Int, all: Int)? = nil) {
    self.graph = graph
    self.isTraining = isTraining
    self.prefix = prefix
    self.stepPairs = stepPairs
  }

  /// A builder for the submodule `name`.
  subscript(_ name: String) -> Builder {
    Builder(
      graph: graph, isTraining: isTraining, prefix: prefix.isEmpty ? name : "\(prefix).\(name)", stepPairs: stepPairs)
  }

  func parameter(_ name: String, _ shape: Shape, _ start: Variable.Start, axes: [Int]? = nil) -> Symbol {
    let variable = Variable(
      prefix.isEmpty ? name : "\(prefix).\(name)", TensorType(shape), .parameter(decays: shape.rank > 1), start: start,
      axes: axes)
    return graph.variable(variable)
  }

  /// Convolution of padding kernel / 2; normal start, Kaiming fan-out (He et al. 2015).
  func convolution(_ x: Symbol, _ outputs: Int, kernel: Int = 1, stride: Int = 1, bias: Bool = false) throws -> Symbol {
    let deviation = (2 / Float(outputs * kernel * kernel)).squareRoot()
    let weight = parameter(
      "weight", [kernel, kernel, x.shape.channels, outputs], .normal(deviation: deviation), axes: [2, 3, 1, 0])
    let y = try graph.scope(prefix) { try x.convolution(weight, stride: stride, padding: kernel / 2) }
    return bias ? try y.plus(parameter("bias", [outputs], .constant(0))) : y
  }

  /// Batch norm, then ReLU where asked.
  func batchNorm(_ x: Symbol, relu: Bool) throws -> Symbol {
    let variables = BatchNormVariables(graph, prefix, channels: x.shape.channels)
    let stepRows = stepPairs.map { x.shape.rows / $0.own * $0.all }
    return try graph.scope(prefix) {
      try x.batchNorm(variables, relu: relu, isTraining: isTraining, stepRows: stepRows)
    }
  }

  /// Convolution without bias ("0"), then batch norm ("1").
  func convolutionNorm(_ x: Symbol, _ outputs: Int, kernel: Int = 1, stride: Int = 1, relu: Bool) throws -> Symbol {
    try self["1"].batchNorm(self["0"].convolution(x, outputs, kernel: kernel, stride: stride), relu: relu)
  }

  /// x W^T + b; Xavier uniform start (Glorot and Bengio 2010).
  func linear(_ x: Symbol, _ outputs: Int) throws -> Symbol {
    let inputs = x.shape.channels
    let bound = (6 / Float(inputs + outputs)).squareRoot()
    let weight = parameter("weight", [outputs, inputs], .uniform(bound: bound))
    return try graph.scope(prefix) { try x.linear(weight, bias: parameter("bias", [outputs], .constant(0))) }
  }

  /// Weight 1 and bias 0 of a norm.
  func normVariables(_ channels: Int) -> (weight: Symbol, bias: Symbol) {
    (parameter("weight", [channels], .constant(1)), parameter("bias", [channels], .constant(0)))
  }
}
