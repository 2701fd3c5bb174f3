import Foundation
import Tensors

/// Damage of the kinds that files and values suffer, drawn from a seed.
struct Mutation {
  private var stream: CounterRandom.Stream

  init(seed: Int) { stream = CounterRandom(seed: UInt64(seed)).stream(.test) }

  /// Numbers at the ends of types and formats, and what is none.
  static let extremes = [
    "0", "-1", "1", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "1e400", "-1e400", "1e-400", "nan", "inf", "-inf", "0x10", "1_000", "", " ", "~", "null", "true", "[]", "{}", "1.5",
    "３", "\u{0}", "\u{202E}", "\\", "--", "-", "\"", "'", "%s%n", String(repeating: "9", count: 5000), "/dev/null", "/",
    ".",
  ]

  mutating func below(_ bound: Int) -> Int { stream.below(bound) }

  mutating func pick<T>(_ choices: [T]) -> T { choices[stream.below(choices.count)] }

  /// `bytes` with one to eight places changed, cut out, doubled, cut off or replaced by extremes.
  mutating func damaged(_ bytes: Data) -> Data {
    var result = Array(bytes)
    for _ in 0..<1 + below(8) where !result.isEmpty {
      let place = below(result.count)
      switch below(7) {
      case 0: result[place] ^= UInt8(1 << below(8))
      case 1: result[place] = UInt8(below(256))
      case 2: result.removeSubrange(place..<min(result.count, place + 1 + below(32)))
      case 3: result.insert(contentsOf: result[place..<min(result.count, place + 1 + below(64))], at: place)
      case 4: if below(4) == 0 { result.removeSubrange(place...) }
      case 5: result.replaceSubrange(place..<place + 1, with: Array(pick(Self.extremes).utf8))
      default:
        // A number in text becomes another one.
        guard let start = result[place...].firstIndex(where: { (48...57).contains($0) }) else { continue }
        let end = result[start...].firstIndex { !(48...57).contains($0) } ?? result.count
        result.replaceSubrange(start..<end, with: Array(pick(Self.extremes).utf8))
      }
    }
    return Data(result)
  }
}
