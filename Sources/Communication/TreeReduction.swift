import Tensors

/// The all-reduce whose sums follow the tree over micro-batches: each rank receives the others' partial sums of its slice, adds
/// them up in the tree's order, piece by piece as they come, and gives the result to all. The traffic is that of a ring where each
/// rank's micro-batches make one subtree; the bits are the same for any number of ranks.
///
/// Where several hosts have several ranks each, a host's ranks first make its partial sums of all slices among themselves, each
/// those of its column of the grid. Then columns exchange them, so that the network carries what one rank a host would send.
public final class TreeReduction {
  private typealias Floats = UnsafeMutablePointer<Float>

  private let communicator: any Communicator
  private let grid: HostGrid
  /// This rank's row of the grid, the other ranks of it, and this rank's column.
  private let row: Int
  private let mates, column: [Int]
  private let content: Collective.Content
  private let floats: FloatExchange
  private let sum: TreeSum
  /// Where pieces of other ranks' partial sums arrive.
  private var arriving = Scratch()
  /// This host's partial sums of the slices of this rank's column.
  private var ofHost = Scratch()
  /// Each rank's parts of the tree of the current step, and those of each host's ranks together.
  private var partsByRank: [[Range<Int>]] = []
  private var partsByHost: [[Range<Int>]] = []
  private var tree = ReductionTree(leaves: 0)

  /// Reductions of `content` over the ranks of `communicator`.
  public init(
    _ communicator: any Communicator, of content: Collective.Content, wire: Wire = .float32,
    urgency: Urgency = Urgency()
  ) throws {
    (self.communicator, self.content) = (communicator, content)
    floats = FloatExchange(communicator, wire: wire, urgency: urgency)
    let grid = HostGrid(communicator.hosts)
    (self.grid, row, column) = (grid, grid.row(of: communicator.rank), grid.column(of: communicator.rank))
    mates = grid.rows[row].filter { $0 != communicator.rank }
    sum = try TreeSum()
  }

  /// A new step; `shares`: each rank's micro-batches.
  public func begin(_ tree: ReductionTree, shares: [Range<Int>]) {
    self.tree = tree
    partsByRank = shares.map(tree.parts)
    partsByHost = grid.rows.map { row in tree.parts(of: row.map { shares[$0] }) }
  }

  /// This rank's parts of the tree of the current step.
  public var parts: [Range<Int>] { partsByRank[communicator.rank] }

  /// Sums `bucket` of the arrays whose parts this rank has in `own`; afterwards this rank's slice of `own.array` is the sum over all
  /// ranks' micro-batches, and the rest of the bucket is of no use. `number`: the bucket's, where there are several.
  public func reduceScatter(_ bucket: Range<Int>, number: Int? = nil, _ own: PartialSums) throws {
    let rank = communicator.rank
    let slices = Buckets.slices(bucket, ranks: communicator.size)
    let purpose = Collective(.reduceScatter, of: content, bucket: number, size: bucket.count)
    let whole = PartialSum(0..<tree.leaves, own.array + slices[rank].lowerBound)
    var partial = column.map { own.parts(from: slices[$0].lowerBound) }
    if column.count == 1 || !mates.isEmpty {
      let sums = try column.count == 1 ? [[whole]] : placesOfHost(column.map { slices[$0].count })
      let toMates = mates.flatMap { mate in
        grid.column(of: mate).map { Outgoing(mate, own.parts(from: slices[$0].lowerBound), slices[$0].count) }
      }
      let incoming = mates.map { ($0, partsByRank[$0]) }
      try exchange(
        toMates, column.indices.map { SliceSum(slices[column[$0]].count, partial[$0], incoming, sums[$0]) },
        .withinHost, purpose)
      partial = sums
    }
    if column.count > 1 {
      let others = column.indices.filter { $0 != row }
      let toOthers = others.map { Outgoing(column[$0], partial[$0], slices[column[$0]].count) }
      let incoming = others.map { (column[$0], partsByHost[$0]) }
      try exchange(toOthers, [SliceSum(slices[rank].count, partial[row], incoming, [whole])], .betweenHosts, purpose)
    }
  }

  /// Where this host's partial sums of slices of `counts` floats go before they travel on.
  private func placesOfHost(_ counts: [Int]) throws -> [[PartialSum]] {
    let parts = partsByHost[row]
    var next: Floats = try ofHost.elements(parts.count * counts.reduce(0, +))
    return counts.map { count in
      parts.map { node in
        defer { next += count }
        return PartialSum(node, next)
      }
    }
  }

  /// Partial sums of a slice that go to another rank.
  private struct Outgoing {
    let peer: Int
    let parts: [PartialSum]
    let count: Int

    init(_ peer: Int, _ parts: [PartialSum], _ count: Int) {
      (self.peer, self.parts, self.count) = (peer, parts, count)
    }
  }

  /// What is made of a slice of `count` floats: `sums`, from what this rank has of it and from the parts that others send.
  private struct SliceSum {
    let count: Int
    let own: [PartialSum]
    let incoming: [(peer: Int, nodes: [Range<Int>])]
    let sums: [PartialSum]

    init(_ count: Int, _ own: [PartialSum], _ incoming: [(peer: Int, nodes: [Range<Int>])], _ sums: [PartialSum]) {
      (self.count, self.own, self.incoming, self.sums) = (count, own, incoming, sums)
    }
  }

  /// How slices are cut into pieces that are added up as they arrive.
  private struct Pieces {
    /// Floats of a piece.
    let length: Int
    /// For so many pieces there is room at a time.
    let window: Int

    /// Memory copies a piece once it has its place, so that two at a time, which the second-level cache keeps until they are added,
    /// are enough.
    static let withinHost = Pieces(length: 1 << 16, window: 2)
    /// A network brings pieces by itself, and those that have no place yet are copied twice: there is room for what its buffers hold.
    static let betweenHosts = Pieces(length: 1 << 18, window: 16)

    func ranges(_ count: Int) -> [Range<Int>] {
      stride(from: 0, to: count, by: length).map { $0..<min(count, $0 + length) }
    }
  }

  /// Sends `outgoing`, and makes `slices` of what arrives.
  private func exchange(
    _ outgoing: [Outgoing], _ slices: [SliceSum], _ pieces: Pieces, _ purpose: Collective
  ) throws {
    let sends = outgoing.flatMap { slice in
      pieces.ranges(slice.count).flatMap { piece in
        slice.parts.map { FloatMessage(slice.peer, $0.values + piece.lowerBound, piece.count) }
      }
    }
    let rounds = slices.flatMap { slice in pieces.ranges(slice.count).map { (slice: slice, piece: $0) } }
    let room = rounds.map { $0.piece.count * $0.slice.incoming.reduce(0) { $0 + $1.nodes.count } }.max() ?? 0
    let window = min(pieces.window, rounds.count)
    let places: Floats = try arriving.elements(room * window)
    let addends = rounds.enumerated().map { number, round in
      var next = places + number % window * room
      return round.slice.incoming.flatMap { peer, nodes in
        nodes.map { node in
          defer { next += round.piece.count }
          return (peer, PartialSum(node, next))
        }
      }
    }
    let receives = zip(rounds, addends).map { round, addends in
      addends.map { FloatMessage($0, $1.values, round.piece.count) }
    }
    try floats.exchange(sends, receives, window: window, for: purpose) { number in
      let (slice, piece) = rounds[number]
      let own = slice.own.map { PartialSum($0.node, $0.values + piece.lowerBound) }
      let all = (own + addends[number].map(\.1)).inOrder
      for target in slice.sums {
        sum.sum(
          all.filter { target.node.contains($0.node.lowerBound) }, of: target.node,
          into: target.values + piece.lowerBound, count: piece.count)
      }
    }
  }

  /// Gives every rank the slices of `bucket` that the others have in `array`.
  public func allGather(_ bucket: Range<Int>, number: Int? = nil, _ array: UnsafeMutablePointer<Float>) throws {
    let rank = communicator.rank
    let slices = Buckets.slices(bucket, ranks: communicator.size)
    let purpose = Collective(.allGather, of: content, bucket: number, size: bucket.count)
    func message(_ peer: Int, sliceOf owner: Int) -> FloatMessage {
      FloatMessage(peer, array + slices[owner].lowerBound, slices[owner].count)
    }
    // All ranks go on with what the others receive.
    if communicator.size > 1 { try floats.round(array + slices[rank].lowerBound, slices[rank].count) }
    let others = column.filter { $0 != rank }
    if !others.isEmpty {
      try floats.exchange(
        others.map { message($0, sliceOf: rank) }, [others.map { message($0, sliceOf: $0) }], for: purpose)
    }
    if !mates.isEmpty {
      try floats.exchange(
        mates.flatMap { mate in column.map { message(mate, sliceOf: $0) } },
        [mates.flatMap { mate in grid.column(of: mate).map { message(mate, sliceOf: $0) } }], for: purpose)
    }
  }
}

extension [PartialSum] {
  /// In the order of their leaves.
  fileprivate var inOrder: [PartialSum] { sorted { $0.node.lowerBound < $1.node.lowerBound } }
}
