import CKernels
import Tensors

/// How floats travel between ranks.
public enum Wire: String, Sendable, CaseIterable {
  /// As they are.
  case float32
  /// Rounded to bfloat16, in half the bytes. What is summed is rounded, so sums depend on who computed which part; still all ranks
  /// get the same bits.
  case bfloat16
}

/// The all-reduce whose sums follow the tree over micro-batches: each rank receives the others' partial sums of its slice, adds
/// them up in the tree's order, and gives the result to all. The traffic is that of a ring where each rank's micro-batches make one
/// subtree; the bits are the same for any number of ranks.
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
  private let wire: Wire
  private let urgency: Urgency
  private let sum: TreeSum
  /// Partial sums of other ranks of this host, and of other hosts.
  private var fromHost = Scratch()
  private var fromOthers = Scratch()
  /// This host's partial sums of the slices of this rank's column.
  private var ofHost = Scratch()
  /// What is sent and received in bfloat16.
  private var narrow = Scratch()
  /// Each rank's parts of the tree of the current step, and those of each host's ranks together.
  private var partsByRank: [[Range<Int>]] = []
  private var partsByHost: [[Range<Int>]] = []
  private var tree = ReductionTree(leaves: 0)

  /// Reductions of `content` over the ranks of `communicator`.
  public init(
    _ communicator: any Communicator, of content: Collective.Content, wire: Wire = .float32,
    urgency: Urgency = Urgency()
  ) throws {
    (self.communicator, self.content, self.wire, self.urgency) = (communicator, content, wire, urgency)
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
    var partial = try withinHost(slices, own, purpose)
    if column.count > 1 {
      let (slice, others) = (slices[rank], column.indices.filter { $0 != row })
      var moves: [Move] = []
      var next: Floats = try fromOthers.elements(others.reduce(0) { $0 + partsByHost[$1].count } * slice.count)
      for other in others {
        for node in partsByHost[other] {
          partial[row].append(PartialSum(node, next))
          moves.append(Move(.receive, column[other], next, slice.count))
          next += slice.count
        }
      }
      for other in others {
        moves += partial[other].map { Move(.send, column[other], $0.values, slices[column[other]].count) }
      }
      try exchange(moves, purpose)
    }
    sum.sum(
      partial[row].inOrder, of: 0..<tree.leaves, into: own.array + slices[rank].lowerBound, count: slices[rank].count)
  }

  /// What this host's ranks have of the slices of this rank's column, one list a slice: their partial sums, added up as far as the tree allows where
  /// they are to travel on.
  private func withinHost(
    _ slices: [Range<Int>], _ own: PartialSums, _ purpose: Collective
  ) throws -> [[PartialSum]] {
    var partial = column.map { own.parts(from: slices[$0].lowerBound) }
    if mates.isEmpty { return partial }
    let width = column.reduce(0) { $0 + slices[$1].count }
    var next: Floats = try fromHost.elements(mates.reduce(0) { $0 + partsByRank[$1].count } * width)
    var moves: [Move] = []
    for mate in mates {
      for (index, receiver) in column.enumerated() {
        for node in partsByRank[mate] {
          partial[index].append(PartialSum(node, next))
          moves.append(Move(.receive, mate, next, slices[receiver].count))
          next += slices[receiver].count
        }
      }
    }
    for mate in mates {
      for receiver in grid.column(of: mate) {
        moves += own.parts(from: slices[receiver].lowerBound).map {
          Move(.send, mate, $0.values, slices[receiver].count)
        }
      }
    }
    try exchange(moves, purpose)
    if column.count == 1 { return partial }
    var place: Floats = try ofHost.elements(partsByHost[row].count * width)
    for (index, receiver) in column.enumerated() {
      let addends = partial[index].inOrder
      partial[index] = partsByHost[row].map { node in
        let within = addends.filter { node.contains($0.node.lowerBound) }
        if within.count == 1 { return within[0] }
        defer { place += slices[receiver].count }
        sum.sum(within, of: node, into: place, count: slices[receiver].count)
        return PartialSum(node, place)
      }
    }
    return partial
  }

  /// Gives every rank the slices of `bucket` that the others have in `array`.
  public func allGather(_ bucket: Range<Int>, number: Int? = nil, _ array: UnsafeMutablePointer<Float>) throws {
    let rank = communicator.rank
    let slices = Buckets.slices(bucket, ranks: communicator.size)
    let purpose = Collective(.allGather, of: content, bucket: number, size: bucket.count)
    func move(_ direction: Transfer.Direction, _ peer: Int, sliceOf owner: Int) -> Move {
      Move(direction, peer, array + slices[owner].lowerBound, slices[owner].count)
    }
    // All ranks go on with what the others receive.
    if wire == .bfloat16, communicator.size > 1 {
      let rounded: UnsafeMutablePointer<UInt16> = try narrow.elements(slices[rank].count)
      dms_to_bfloat16(rounded, array + slices[rank].lowerBound, slices[rank].count)
      dms_from_bfloat16(array + slices[rank].lowerBound, rounded, slices[rank].count)
    }
    let others = column.filter { $0 != rank }
    if !others.isEmpty {
      try exchange(
        others.map { move(.receive, $0, sliceOf: $0) } + others.map { move(.send, $0, sliceOf: rank) }, purpose)
    }
    if !mates.isEmpty {
      try exchange(
        mates.flatMap { mate in grid.column(of: mate).map { move(.receive, mate, sliceOf: $0) } }
          + mates.flatMap { mate in column.map { move(.send, mate, sliceOf: $0) } }, purpose)
    }
  }

  /// Floats on their way, before it is known how they travel.
  private struct Move {
    let direction: Transfer.Direction
    let peer: Int
    let values: UnsafeMutablePointer<Float>
    let count: Int

    init(_ direction: Transfer.Direction, _ peer: Int, _ values: UnsafeMutablePointer<Float>, _ count: Int) {
      (self.direction, self.peer, self.values, self.count) = (direction, peer, values, count)
    }
  }

  private func exchange(_ moves: [Move], _ purpose: Collective) throws {
    guard wire == .bfloat16 else {
      return try communicator.exchange(
        moves.map { Transfer($0.direction, $0.peer, $0.values, $0.count) }, urgency, for: purpose)
    }
    var next: UnsafeMutablePointer<UInt16> = try narrow.elements(moves.reduce(0) { $0 + $1.count })
    let places = moves.map { move in
      defer { next += move.count }
      if move.direction == .send { dms_to_bfloat16(next, move.values, move.count) }
      return next
    }
    try communicator.exchange(
      zip(moves, places).map { Transfer($0.direction, $0.peer, $1, $0.count) }, urgency, for: purpose)
    for (move, place) in zip(moves, places) where move.direction == .receive {
      dms_from_bfloat16(move.values, place, move.count)
    }
  }
}

extension [PartialSum] {
  /// In the order of their leaves.
  fileprivate var inOrder: [PartialSum] { sorted { $0.node.lowerBound < $1.node.lowerBound } }
}

/// Memory that grows to what was asked for at most.
private struct Scratch {
  private var storage: Storage?

  mutating func elements<Element>(_ count: Int) throws -> UnsafeMutablePointer<Element> {
    let byteCount = max(1, count) * MemoryLayout<Element>.stride
    if let storage, storage.byteCount >= byteCount { return storage.base.assumingMemoryBound(to: Element.self) }
    let fresh = try Storage(byteCount: byteCount)
    storage = fresh
    return fresh.base.assumingMemoryBound(to: Element.self)
  }
}
