import Operations

extension Dropout {
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
