import Graphs

/// Zeroes elements with probability `rate` and scales the others by 1 / (1 - rate).
///
/// The mask is a function of a pair's key and the element's place alone: whichever rank or thread computes it, it is the
/// same, and the gradient draws it again instead of keeping it.
struct Dropout: Operation {
  let rate: Float
  var name: String { "dropout" }
  var overwrites: Int? { 0 }

  /// Inputs: x [B,..] and keys [B,4] (int32): the run's seed in two words, the epoch, the position of the pair.
  func outputs(_ inputs: [TensorType]) throws -> [TensorType] {
    guard inputs[1] == TensorType([inputs[0].shape[0], 4], .int32), rate >= 0, rate < 1 else {
      throw misfit(self, inputs, "a rate in 0 ..< 1 and a key of four words a pair were expected")
    }
    return [inputs[0]]
  }

  func gradient(_ context: GradientContext) throws -> [Symbol?] {
    guard let upstream = context.gradients[0] else { return [nil, nil] }
    return [try upstream.graph.apply(self, [upstream, context.inputs[1]])[0], nil]
  }

  func cost(_ inputs: [TensorType], _ outputs: [TensorType]) -> Cost {
    Cost(flops: inputs[0].shape.count, inputs, outputs)
  }

  func phases(_ operands: Operands) -> [Phase] {
    let (x, y) = (operands.inputs[0].floats, operands.outputs[0].floats)
    let keys = operands.inputs[1].address.assumingMemoryBound(to: UInt32.self)
    let pairs = operands.inputs[0].shape[0]
    let extent = operands.inputs[0].shape.count / max(1, pairs)
    let threshold = UInt32(Double(rate) * 0x1p32)
    let factor = 1 / (1 - rate)
    return [
      Phase(chunks: pairs) { pair, _ in
        let key = keys + pair * 4
        let random = CounterRandom(seed: UInt64(key[1]) << 32 | UInt64(key[0]))
        let purpose = CounterRandom.Purpose.dropout.rawValue
        for block in 0..<(extent + 3) / 4 {
          let words = random.words(SIMD4(UInt32(block), key[3], key[2], purpose))
          for lane in 0..<min(4, extent - block * 4) {
            let i = pair * extent + block * 4 + lane
            y[i] = words[lane] < threshold ? 0 : factor * x[i]
          }
        }
      }
    ]
  }
}

extension Symbol {
  /// Dropout with the masks of `keys` [B,4] (int32: seed, seed's upper half, epoch, position).
  public func dropout(_ rate: Float, keys: Symbol) throws -> Symbol {
    rate == 0 ? self : try graph.apply(Dropout(rate: rate), [self, keys])[0]
  }
}
