import Operations

/// How the elements of a smaller shape are repeated to fill a larger one.
struct Stretch: Sendable {
  /// The step along the last axis: 1, or 0 where it is repeated.
  let column: Int
  private let axes: SIMD8<Int32>
  private let steps: SIMD8<Int32>
  private let rank: Int

  init(_ small: Shape, to large: Shape) {
    precondition(large.rank <= 8 && large.rank >= small.rank)
    var (axes, steps) = (SIMD8<Int32>(repeating: 1), SIMD8<Int32>())
    var step = 1
    for axis in stride(from: large.rank - 1, through: 0, by: -1) {
      let inner = axis - (large.rank - small.rank)
      let extent = inner < 0 ? 1 : small[inner]
      axes[axis] = Int32(large[axis])
      steps[axis] = extent == 1 ? 0 : Int32(step)
      step *= extent
    }
    (self.axes, self.steps, rank) = (axes, steps, large.rank)
    column = large.rank == 0 ? 0 : Int(steps[large.rank - 1])
  }

  /// Where row `row` of the large shape begins in the small one.
  func row(_ row: Int) -> Int {
    var (remainder, offset) = (row, 0)
    var axis = rank - 2
    while axis >= 0 {
      let extent = Int(axes[axis])
      offset += remainder % extent * Int(steps[axis])
      remainder /= extent
      axis -= 1
    }
    return offset
  }
}
