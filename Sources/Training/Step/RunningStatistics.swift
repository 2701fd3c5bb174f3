/// What batch norm keeps from step to step: running means and variances, and how many steps they have seen.
///
/// Every micro-batch of a step moves them from where they were before the step; the step moves them by the mean of these moves,
/// weighted by pairs. So they depend neither on who computed which micro-batch nor on the order.
final class RunningStatistics {
  private let variables: Variables
  private let moments: [Int]
  private let counters: [Int]
  /// The moments before the step, one variable behind the other.
  private var before: [Float]
  private var countsBefore: [Int64]

  init(_ variables: Variables) {
    self.variables = variables
    let states = variables.list.indices.filter { !variables.list[$0].isParameter }
    moments = states.filter { variables.list[$0].type.element == .float32 }
    counters = states.filter { variables.list[$0].type.element == .int64 }
    before = Array(repeating: 0, count: moments.reduce(0) { $0 + variables.list[$1].type.shape.count })
    countsBefore = Array(repeating: 0, count: counters.count)
  }

  /// How many moments there are.
  var count: Int { before.count }

  /// Remembers them as they are, before a step.
  func remember() {
    var place = 0
    for index in moments {
      for value in variables.values(index) {
        before[place] = value
        place += 1
      }
    }
    for (place, index) in counters.enumerated() { countsBefore[place] = counter(index).pointee }
  }

  /// Brings them back to where they were before the step.
  func rewind() {
    write { self.before[$0] }
    for (place, index) in counters.enumerated() { counter(index).pointee = countsBefore[place] }
  }

  /// How a micro-batch, which has `share` of the step's pairs, has moved them: one value a moment, put into `moves`
  /// or added to them.
  func takeMoves(share: Float, into moves: UnsafeMutablePointer<Float>, adds: Bool) {
    var place = 0
    for index in moments {
      for value in variables.values(index) {
        let move = share * (value - before[place])
        moves[place] = adds ? moves[place] + move : move
        place += 1
      }
    }
  }

  /// Moves them by the sum of the micro-batches' moves, and counts the step.
  func apply(_ moves: UnsafePointer<Float>) {
    write { self.before[$0] + moves[$0] }
    // A file may have brought any number.
    for (place, index) in counters.enumerated() { counter(index).pointee = countsBefore[place] &+ 1 }
  }

  private func write(_ moment: (Int) -> Float) {
    var place = 0
    for index in moments {
      let values = variables.values(index)
      for i in values.indices {
        values[i] = moment(place)
        place += 1
      }
    }
  }

  private func counter(_ index: Int) -> UnsafeMutablePointer<Int64> {
    variables.address(index).assumingMemoryBound(to: Int64.self)
  }
}
