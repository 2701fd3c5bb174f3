import Graphs

/// Zeroes elements with probability `rate` and scales the others by 1 / (1 - rate).
///
/// The mask is a function of a pair's key and the element's place alone: whichever rank or thread computes it, it is the
/// same, and the gradient draws it again instead of keeping it.
package struct Dropout: Operation {
  package let rate: Float
  package var name: String { "dropout" }
  package var traits: Traits { Traits(overwrites: 0) }

  /// Inputs: x [B,..] and keys [B,4] (int32): the run's seed in two words, the epoch, the position of the pair.
  package func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[1] == TensorType([inputs[0].shape[0], 4], .int32), rate >= 0, rate < 1 else {
      throw misfit(self, inputs, "a rate in 0 ..< 1 and a key of four words a pair were expected")
    }
    return [inputs[0]]
  }

  package func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    return [try upstream.graph.apply(self, [upstream, context.inputs[1]])[0], nil]
  }

  package func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }
}

extension Symbol {
  /// Dropout with the masks of `keys` [B,4] (int32: seed, seed's upper half, epoch, position).
  public func dropout(_ rate: Float, keys: Symbol) throws -> Symbol {
    rate == 0 ? self : try graph.apply(Dropout(rate: rate), [self, keys])[0]
  }
}
