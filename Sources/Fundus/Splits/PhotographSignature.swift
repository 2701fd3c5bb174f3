import Foundation
import Synchronization

/// What a prepared photograph looks like from afar: the mean colours of 8x8 cells of its inner part, where it matters little that a
/// copy's field of view was cut out a pixel further. Measured on ODIR-5K at 128 pixels, the mean difference in grey levels is 0.01
/// where a photograph is there twice, up to 1.0 for 99 of 100 copies encoded anew (quality 75) and 97 of 100 made smaller too; of
/// different photographs it is 1.35 and more, of drawn ones 1.57.
struct PhotographSignature {
  static let side = 8
  static let byteCount = side * side * 3
  /// The largest mean difference of copies, in grey levels.
  private static let copies = 1.0

  /// The cells' colours.
  let bytes: [UInt8]
  /// The sum of `bytes`.
  private let sum: Int

  init(bytes: [UInt8]) {
    self.bytes = bytes
    sum = bytes.reduce(0) { $0 + Int($1) }
  }

  /// Of a picture's RGB pixels.
  init(_ pixels: UnsafeBufferPointer<UInt8>, height: Int, width: Int) {
    let side = Self.side
    var result: [UInt8] = []
    for row in 0..<side {
      for column in 0..<side {
        func range(_ place: Int, of count: Int) -> Range<Int> {
          let (margin, inner) = (count / 5, count - 2 * (count / 5))
          let start = inner * place / side
          return margin + start..<margin + max(start + 1, inner * (place + 1) / side)
        }
        let (ys, xs) = (range(row, of: height), range(column, of: width))
        var (red, green, blue) = (0, 0, 0)
        for y in ys {
          for x in xs {
            let i = (y * width + x) * 3
            red += Int(pixels[i])
            green += Int(pixels[i + 1])
            blue += Int(pixels[i + 2])
          }
        }
        let count = ys.count * xs.count
        result += [red, green, blue].map { UInt8(($0 + count / 2) / count) }
      }
    }
    self.init(bytes: result)
  }

  /// Pairs of places in `all` whose photographs are the same.
  static func copies(among all: [PhotographSignature]) -> [(Int, Int)] {
    let most = Int(copies * Double(byteCount))
    // What differs by so little in every cell does so in the sum, so that few must be compared.
    let order = all.indices.sorted { (all[$0].sum, $0) < (all[$1].sum, $1) }
    var found: [(Int, Int)] = []
    for (place, first) in order.enumerated() {
      for second in order[(place + 1)...] {
        guard all[second].sum - all[first].sum <= most else { break }
        if all[first].isNear(all[second], most) { found.append((min(first, second), max(first, second))) }
      }
    }
    return found
  }

  private func isNear(_ other: PhotographSignature, _ most: Int) -> Bool {
    var difference = 0
    for start in stride(from: 0, to: Self.byteCount, by: 96) {
      for i in start..<start + 96 { difference += abs(Int(bytes[i]) - Int(other.bytes[i])) }
      if difference > most { return false }
    }
    return true
  }
}

extension Dataset {
  /// Signatures of the photographs of `patients` (places in `patients`), left and right in turn, as bytes; on `workers` threads.
  public func signatures(_ patients: [Int], _ preparation: Preparation, workers: Int) throws -> Data {
    let results = Mutex<[Int: Result<[UInt8], any Error>]>([:])
    let workers = max(1, workers)
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      for index in stride(from: worker, to: patients.count, by: workers) {
        let result = Result {
          try withPair(patients[index], preparation) { pair in
            pair.flatMap { PhotographSignature($0, height: preparation.height, width: preparation.width).bytes }
          }
        }
        results.withLock { $0[index] = result }
      }
    }
    return try results.withLock { results in
      var data = Data()
      for index in patients.indices { data += try results[index]?.get() ?? [] }
      return data
    }
  }

  /// Places of patients who share photographs, in groups; `signatures`: those of all patients in order.
  public func sharingPhotographs(_ signatures: Data) -> [[Int]] {
    let count = PhotographSignature.byteCount
    let bytes = [UInt8](signatures)
    precondition(bytes.count == 2 * patients.count * count)
    let all = (0..<2 * patients.count).map { PhotographSignature(bytes: Array(bytes[$0 * count..<($0 + 1) * count])) }
    // The first of each patient's group.
    var first = Array(patients.indices)
    func root(_ place: Int) -> Int {
      var place = place
      while first[place] != place { place = first[place] }
      return place
    }
    for (a, b) in PhotographSignature.copies(among: all) {
      let (one, other) = (root(a / 2), root(b / 2))
      first[max(one, other)] = min(one, other)
    }
    return Dictionary(grouping: patients.indices, by: root).values.filter { $0.count > 1 }.sorted { $0[0] < $1[0] }
  }

  /// `groups` of patients for people: "352 and 973, 2487 and 3185".
  public func text(_ groups: [[Int]]) -> String {
    examples(
      groups.map { group in
        let ids = group.map { Failure.excerpt(patients[$0].id) }
        return ids.dropLast().joined(separator: ", ") + " and " + (ids.last ?? "")
      })
  }
}
