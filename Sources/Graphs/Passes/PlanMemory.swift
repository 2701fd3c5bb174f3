import Tensors

/// Where each value lies in the arena: values whose lives do not overlap share memory.
///
/// Greedy by size (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020): the largest
/// value first, each into the smallest gap that no value alive at the same time occupies.
struct MemoryPlan {
  /// Byte offset by value.
  let offsets: [Int: Int]
  /// Bytes of the arena.
  let byteCount: Int
  /// Bytes alive at the worst moment: no plan can be smaller.
  let lowerBound: Int

  /// Plans `values`, whose steps lie in -1 ... `end`.
  init(_ values: [Schedule.Value], end: Int) {
    let order = values.sorted { ($0.byteCount, $1.symbol) > ($1.byteCount, $0.symbol) }
    var offsets: [Int: Int] = [:]
    var placed: [(value: Schedule.Value, range: Range<Int>)] = []
    var total = 0
    for value in order {
      let size = Storage.aligned(value.byteCount)
      let busy = placed.filter { $0.value.birth <= value.death && value.birth <= $0.value.death }
        .sorted { $0.range.lowerBound < $1.range.lowerBound }
      var best: (offset: Int, gap: Int)?
      var free = 0
      for other in busy {
        let gap = other.range.lowerBound - free
        if gap >= size, gap < best?.gap ?? .max { best = (free, gap) }
        free = max(free, other.range.upperBound)
      }
      let offset = best?.offset ?? free
      offsets[value.symbol] = offset
      placed.append((value, offset..<offset + size))
      total = max(total, offset + size)
    }
    var change = [Int](repeating: 0, count: end + 3)
    for value in values {
      change[value.birth + 1] += Storage.aligned(value.byteCount)
      change[value.death + 2] -= Storage.aligned(value.byteCount)
    }
    var alive = 0
    var peak = 0
    for difference in change {
      alive += difference
      peak = max(peak, alive)
    }
    self.offsets = offsets
    byteCount = total
    lowerBound = peak
  }
}
