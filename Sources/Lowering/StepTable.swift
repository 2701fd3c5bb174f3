import Operations

/// Where the programs of a step's micro-batches leave what norms over the whole step need of one another: a table in double precision
/// with a row a micro-batch, in their order. Programs run side by side from meeting to meeting, and each meeting has a table: while some
/// programs still read the last one's, others fill the next one's.
public final class StepTable: @unchecked Sendable {
  // Unchecked: between meetings programs write rows of their own, or all only read; whoever runs them sets the table up before.

  /// Micro-batches of the step.
  public private(set) var rows = 0
  private var first = 0
  private var filled: Storage?
  private var read: Storage?

  /// A table without memory yet.
  public init() {}

  /// A new step of `rows` micro-batches, of which this rank's begin at row `first`; no meeting has more than `columns` values a row.
  public func begin(rows: Int, first: Int, columns: Int) throws {
    (self.rows, self.first) = (rows, first)
    let byteCount = max(1, rows * columns) * 8
    guard filled.map({ $0.byteCount < byteCount }) ?? true else { return }
    (filled, read) = (try Storage(byteCount: byteCount), try Storage(byteCount: byteCount))
  }

  /// The table that is being filled, row behind row.
  public var values: UnsafeMutablePointer<Double> { Self.values(filled) }

  /// To be called when a meeting's table is complete: it is read from here on.
  public func turn() { swap(&filled, &read) }

  private static func values(_ storage: Storage?) -> UnsafeMutablePointer<Double> {
    guard let storage else { preconditionFailure("no step has begun") }
    return storage.base.assumingMemoryBound(to: Double.self)
  }

  /// Row number `place` of this rank's in the table that is being filled, of `columns` values a row.
  fileprivate func own(_ place: Int, columns: Int) -> UnsafeMutablePointer<Double> {
    precondition(first + place < rows, "row \(first + place) of a step of \(rows) micro-batches")
    return values + (first + place) * columns
  }

  /// The table of the last meeting.
  fileprivate var complete: UnsafeMutablePointer<Double> { Self.values(read) }
}

/// One program's place among those that run side by side.
public struct StepPlace: Sendable {
  /// Where they meet.
  let table: StepTable
  /// The number of the program's micro-batch among this rank's.
  let number: Int

  /// Place `number` at `table`.
  public init(_ table: StepTable, _ number: Int) { (self.table, self.number) = (table, number) }

  /// The program's row in the next meeting, of `columns` values a row.
  func row(_ columns: Int) -> UnsafeMutablePointer<Double> { table.own(number, columns: columns) }

  /// The sum of what `body` makes of each row of the last meeting, in the order of micro-batches.
  func sum(_ columns: Int, _ body: (UnsafeMutablePointer<Double>) -> Double) -> Double {
    let values = table.complete
    return (0..<table.rows).reduce(0) { $0 + body(values + $1 * columns) }
  }
}
