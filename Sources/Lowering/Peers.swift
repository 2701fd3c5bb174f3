import Operations

/// The ranks of a step, as operations see them that look beyond their own. All ranks run the same of these operations in the same
/// order.
public protocol Peers: AnyObject, Sendable {
  /// This rank's number, 0 ..< `size`.
  var rank: Int { get }
  /// How many ranks there are.
  var size: Int { get }

  /// Gives every rank what each has put into its own row of `table`, which has `size` rows of equal length, in the order of ranks.
  /// Phases cannot throw: what goes wrong is kept for whoever runs the program, and the table is then of no use.
  func gather(_ table: UnsafeMutableBufferPointer<Double>)
}

/// A table in double precision of which every rank fills a row and then has all.
struct RankTable {
  /// Values of a row.
  let columns: Int
  private let peers: (any Peers)?

  /// Rows of `columns` values; without `peers` this rank is alone.
  init(columns: Int, _ peers: (any Peers)?) { (self.columns, self.peers) = (columns, peers) }

  private var ranks: Int { peers?.size ?? 1 }

  /// Values of the table.
  var count: Int { ranks * columns }

  /// This rank's row of the table at `values`.
  func own(_ values: UnsafeMutablePointer<Double>) -> UnsafeMutablePointer<Double> {
    values + (peers?.rank ?? 0) * columns
  }

  /// Fills the others' rows.
  func gather(_ values: UnsafeMutablePointer<Double>) {
    peers?.gather(UnsafeMutableBufferPointer(start: values, count: count))
  }

  /// The sum of what `body` makes of each row, in the order of ranks.
  func sum(_ values: UnsafeMutablePointer<Double>, _ body: (UnsafeMutablePointer<Double>) -> Double) -> Double {
    (0..<ranks).reduce(0) { $0 + body(values + $1 * columns) }
  }
}
