import Foundation

/// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
///
/// A number is a pure function of the key and the counter, so it is the same in whatever order and on whichever rank it
/// is computed. The key is the run's seed; the counter says what the number is for.
public struct CounterRandom: Sendable {
  private let key: (UInt32, UInt32)

  /// Random numbers of a seed.
  public init(seed: UInt64) { key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)) }

  /// Four independent uniform 32-bit words for a 128-bit counter.
  public func words(_ counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var (k0, k1) = key
    for _ in 0..<10 {
      let a = UInt64(c[0]) * 0xD251_1F53
      let b = UInt64(c[2]) * 0xCD9E_8D57
      c = SIMD4(
        UInt32(b >> 32) ^ c[1] ^ k0, UInt32(truncatingIfNeeded: b),
        UInt32(a >> 32) ^ c[3] ^ k1, UInt32(truncatingIfNeeded: a))
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return c
  }

  /// A stream of numbers for one purpose: `f(seed, purpose, first, second, draw)`.
  public func stream(_ purpose: Purpose, _ first: Int = 0, _ second: Int = 0) -> Stream {
    Stream(
      random: self, purpose: purpose, first: UInt32(truncatingIfNeeded: first),
      second: UInt32(truncatingIfNeeded: second))
  }

  /// What a number is drawn for; no two purposes share numbers.
  public enum Purpose: UInt32, Sendable {
    case initialisation = 1
    case shuffle = 2
    case augmentation = 3
    case dropout = 4
    case split = 5
    case bootstrap = 6
    case synthesis = 7
    case test = 8
    case mixup = 9
    case failure = 10
  }

  /// Consecutive draws for one purpose and place. A value type: a copy repeats the same numbers.
  public struct Stream: Sendable, RandomNumberGenerator {
    let random: CounterRandom
    let purpose: Purpose
    let first: UInt32
    let second: UInt32
    var draw: UInt32 = 0
    var words = SIMD4<UInt32>()

    /// 32 uniform bits.
    public mutating func nextWord() -> UInt32 {
      let lane = Int(draw & 3)
      if lane == 0 { words = random.words(SIMD4(draw >> 2, second, first, purpose.rawValue)) }
      draw &+= 1
      return words[lane]
    }

    /// 64 uniform bits.
    public mutating func next() -> UInt64 { UInt64(nextWord()) << 32 | UInt64(nextWord()) }

    /// Uniform in [0, 1), 24 bits.
    public mutating func uniform() -> Float { Float(nextWord() >> 8) * 0x1p-24 }

    /// Uniform in [low, high).
    public mutating func uniform(_ low: Float, _ high: Float) -> Float { low + (high - low) * uniform() }

    /// Uniform in 0 ..< bound, without bias (Lemire 2019, by rejection).
    public mutating func below(_ bound: Int) -> Int {
      precondition(bound > 0)
      let range = UInt64(bound)
      let threshold = (0 &- range) % range
      while true {
        let product = next().multipliedFullWidth(by: range)
        if product.low >= threshold { return Int(product.high) }
      }
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller 1958).
    public mutating func normal() -> Float {
      let radius = (-2 * log(1 - Double(uniform()))).squareRoot()
      return Float(radius * cos(2 * Double.pi * Double(uniform())))
    }

    /// `elements` in a random order (Fisher and Yates).
    public mutating func shuffled<T>(_ elements: [T]) -> [T] {
      var result = elements
      var last = result.count - 1
      while last > 0 {
        result.swapAt(last, below(last + 1))
        last -= 1
      }
      return result
    }
  }
}
