import CKernels
import Graphs

/// The end of a residual block (He et al. 2016): max(0, a + b). Either side may be a batch norm still to be applied.
struct ResidualSum: Operation {
  var pieces: Pieces?

  var name: String { "residual-sum" }
  var isCheap: Bool { true }
  var overwrites: Int? { 0 }

  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[0].shape == inputs[1].shape else { throw misfit(self, inputs, "both sides take one shape") }
    return [inputs[0]]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    let masked = try upstream.graph.apply(Gradient(), [upstream, context.outputs[0]])[0]
    return [masked, masked]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: 2 * inputs[0].shape.count, inputs, outputs)
  }

  func absorbs(_ producer: any Operation, at input: Int) -> Bool { (producer as? BatchNorm)?.relu == false }

  func pieces(_ inputs: [TensorType], _ outputs: [TensorType]) -> Pieces? {
    pieces ?? Pieces(outputs[0].shape, elements: elementGrain)
  }

  func following(_ input: Int, in pieces: Pieces) -> (any Operation)? { ResidualSum(pieces: pieces) }

  func phases(_ operands: Operands) -> [Phase] {
    let (a, b) = (dms_source(operands.inputs[0]), dms_source(operands.inputs[1]))
    let (y, shape) = (operands.outputs[0].floats, operands.outputs[0].shape)
    return [
      Phase.pieces(pieces ?? Pieces(shape, elements: elementGrain)) { rows, channels in
        withUnsafePointer(to: a) { a in
          withUnsafePointer(to: b) { b in
            dms_residual(a, b, rows.lowerBound, rows.count, channels.lowerBound, channels.count, y)
          }
        }
      }
    ]
  }

  /// The gradient of both sides: gradient, output -> gradient where the output is positive.
  struct Gradient: Operation {
    var pieces: Pieces?

    var name: String { "residual-sum-gradient" }
    var overwrites: Int? { 0 }
    func outputs(_ inputs: [TensorType]) throws -> [TensorType] { [inputs[0]] }
    func gradient(_ context: GradientContext) throws -> [Symbol?] { throw notTwice(self) }
    func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
      Cost(flops: inputs[0].shape.count, inputs, outputs)
    }
    func pieces(_ inputs: [TensorType], _ outputs: [TensorType]) -> Pieces? {
      pieces ?? Pieces(outputs[0].shape, elements: elementGrain)
    }
    func following(_ input: Int, in pieces: Pieces) -> (any Operation)? { input == 0 ? Gradient(pieces: pieces) : nil }

    func phases(_ operands: Operands) -> [Phase] {
      let (upstream, output) = (operands.inputs[0].floats, operands.inputs[1].floats)
      let (target, shape) = (operands.outputs[0].floats, operands.outputs[0].shape)
      return [
        Phase.pieces(pieces ?? Pieces(shape, elements: elementGrain)) { rows, channels in
          dms_relu_gradient(
            upstream, output, shape.channels, rows.lowerBound, rows.count, channels.lowerBound, channels.count, target)
        }
      ]
    }
  }
}

extension Symbol {
  /// max(0, self + other).
  public func residualSum(_ other: Symbol) throws -> Symbol { try graph.apply(ResidualSum(), [self, other])[0] }
}
