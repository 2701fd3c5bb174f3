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
public final class TreeReduction {
  private let communicator: any Communicator
  private let content: Collective.Content
  private let wire: Wire
  private let urgency: Urgency
  private let sum: TreeSum
  /// The others' parts of this rank's slice.
  private var received = Scratch()
  /// What is sent and received in bfloat16.
  private var narrow = Scratch()
  /// Each rank's parts of the tree of the current step.
  private var partsByRank: [[Range<Int>]] = []
  private var tree = ReductionTree(leaves: 0)

  /// Reductions of `content` over the ranks of `communicator`.
  public init(
    _ communicator: any Communicator, of content: Collective.Content, wire: Wire = .float32,
    urgency: Urgency = Urgency()
  ) throws {
    (self.communicator, self.content, self.wire, self.urgency) = (communicator, content, wire, urgency)
    sum = try TreeSum()
  }

  /// A new step; `shares`: each rank's micro-batches.
  public func begin(_ tree: ReductionTree, shares: [Range<Int>]) {
    self.tree = tree
    partsByRank = shares.map(tree.parts)
  }

  /// This rank's parts of the tree of the current step.
  public var parts: [Range<Int>] { partsByRank[communicator.rank] }

  /// Sums `bucket` of the arrays whose parts this rank has in `own`; afterwards this rank's slice of `own.array` is the sum over all
  /// ranks' micro-batches, and the rest of the bucket is of no use. `number`: the bucket's, where there are several.
  public func reduceScatter(_ bucket: Range<Int>, number: Int? = nil, _ own: PartialSums) throws {
    let (rank, ranks) = (communicator.rank, communicator.size)
    let slices = Buckets.slices(bucket, ranks: ranks)
    let slice = slices[rank]
    let foreign = (0..<ranks).flatMap { other in other == rank ? [] : partsByRank[other].map { (other, $0) } }
    let values: UnsafeMutablePointer<Float> = try received.elements(foreign.count * slice.count)
    var addends = own.parts(from: slice.lowerBound)
    var moves: [Move] = []
    for (index, (other, node)) in foreign.enumerated() {
      addends.append(PartialSum(node, values + index * slice.count))
      moves.append(Move(.receive, other, values + index * slice.count, slice.count))
    }
    for other in 0..<ranks where other != rank {
      moves += own.parts(from: slices[other].lowerBound).map { Move(.send, other, $0.values, slices[other].count) }
    }
    try exchange(moves, Collective(.reduceScatter, of: content, bucket: number, size: bucket.count))
    addends.sort { $0.node.lowerBound < $1.node.lowerBound }
    sum.sum(addends, of: 0..<tree.leaves, into: own.array + slice.lowerBound, count: slice.count)
  }

  /// Gives every rank the slices of `bucket` that the others have in `array`.
  public func allGather(_ bucket: Range<Int>, number: Int? = nil, _ array: UnsafeMutablePointer<Float>) throws {
    let slices = Buckets.slices(bucket, ranks: communicator.size)
    let own = slices[communicator.rank]
    let others = slices.indices.filter { $0 != communicator.rank }
    try exchange(
      others.map { Move(.receive, $0, array + slices[$0].lowerBound, slices[$0].count) }
        + others.map { Move(.send, $0, array + own.lowerBound, own.count) },
      Collective(.allGather, of: content, bucket: number, size: bucket.count))
    // All ranks go on with what the others have received.
    if wire == .bfloat16, !others.isEmpty {
      let rounded: UnsafeMutablePointer<UInt16> = try narrow.elements(own.count)
      dms_to_bfloat16(rounded, array + own.lowerBound, own.count)
      dms_from_bfloat16(array + own.lowerBound, rounded, own.count)
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
