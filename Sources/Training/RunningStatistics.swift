import Foundation

/// What batch norm keeps from step to step: running means and variances, and how many batches they have seen.
///
/// Each rank's batches move its own; after every step all ranks take the mean of the moves, weighted by pairs. So replicas hold the
/// same bits after every step, and a checkpoint has nothing to settle.
final class RunningStatistics {
  private let variables: Variables
  private let moments: [Int]
  private let counters: [Int]
  /// The moments before the step, one variable behind the other.
  private var before: [Float]
  private var moves: [Float]
  private var countsBefore: [Int64]

  init(_ variables: Variables) {
    self.variables = variables
    let states = variables.list.indices.filter { !variables.list[$0].isParameter }
    moments = states.filter { variables.list[$0].type.element == .float32 }
    counters = states.filter { variables.list[$0].type.element == .int64 }
    before = Array(repeating: 0, count: moments.reduce(0) { $0 + variables.list[$1].type.shape.count })
    moves = before
    countsBefore = Array(repeating: 0, count: counters.count)
  }

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

  /// Undoes what the step did to them.
  func restore() {
    write { self.before[$0] }
    for (place, index) in counters.enumerated() { counter(index).pointee = countsBefore[place] }
  }

  /// Gives every rank the mean of all ranks' moves; `share` is this rank's part of the step's pairs.
  func average(_ communicator: any Communicator, share: Float) throws {
    guard communicator.size > 1 else { return }
    var place = 0
    for index in moments {
      for value in variables.values(index) {
        moves[place] = share * (value - before[place])
        place += 1
      }
    }
    try moves.withUnsafeMutableBufferPointer { try communicator.sum($0) }
    write { self.before[$0] + self.moves[$0] }
    guard let first = counters.first else { return }
    // A rank without pairs has counted nothing; the step has had as many batches as the rank with most.
    let batches = Int64(try communicator.maximum(Int(counter(first).pointee - countsBefore[0])))
    for (place, index) in counters.enumerated() { counter(index).pointee = countsBefore[place] + batches }
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
