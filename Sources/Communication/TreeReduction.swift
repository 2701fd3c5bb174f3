import Tensors

/// The all-reduce whose sums follow the tree over micro-batches: each rank receives the others' partial sums of its slice, adds
/// them up in the tree's order, and gives the result to all. The traffic is that of a ring, where each rank's micro-batches make one
/// subtree; the bits are the same for any number of ranks.
public final class TreeReduction {
  private let communicator: any Communicator
  private let sum: TreeSum
  private var received: Storage
  /// Each rank's parts of the tree of the current step.
  private var partsByRank: [[Range<Int>]] = []
  private var tree = ReductionTree(leaves: 0)

  /// Reductions over the ranks of `communicator`.
  public init(_ communicator: any Communicator) throws {
    self.communicator = communicator
    sum = try TreeSum()
    received = try Storage(byteCount: 4096)
  }

  /// A new step; `shares`: each rank's micro-batches.
  public func begin(_ tree: ReductionTree, shares: [Range<Int>]) {
    self.tree = tree
    partsByRank = shares.map(tree.parts)
  }

  /// This rank's parts of the tree of the current step.
  public var parts: [Range<Int>] { partsByRank[communicator.rank] }

  /// Sums `bucket` of the arrays whose parts this rank has in `own`; afterwards this rank's slice of `own.array` is the sum of all
  /// ranks' micro-batches, and the rest of the bucket is of no use.
  public func reduceScatter(_ bucket: Range<Int>, _ own: PartialSums) throws {
    let (rank, ranks) = (communicator.rank, communicator.size)
    let slices = Buckets.slices(bucket, ranks: ranks)
    let slice = slices[rank]
    let foreign = (0..<ranks).flatMap { other in other == rank ? [] : partsByRank[other].map { (other, $0) } }
    if received.byteCount < foreign.count * slice.count * 4 {
      received = try Storage(byteCount: foreign.count * slice.count * 4)
    }
    let buffer = received.base.assumingMemoryBound(to: Float.self)
    var addends = own.parts(from: slice.lowerBound)
    var transfers: [Transfer] = []
    for (index, (other, node)) in foreign.enumerated() {
      let values = buffer + index * slice.count
      addends.append(PartialSum(node, values))
      transfers.append(Transfer(.receive, other, values, slice.count))
    }
    for other in 0..<ranks where other != rank {
      for part in own.parts(from: slices[other].lowerBound) {
        transfers.append(Transfer(.send, other, part.values, slices[other].count))
      }
    }
    try communicator.exchange(transfers)
    addends.sort { $0.node.lowerBound < $1.node.lowerBound }
    sum.sum(addends, of: 0..<tree.leaves, into: own.array + slice.lowerBound, count: slice.count)
  }

  /// Gives every rank the slices of `bucket` that the others have in `array`.
  public func allGather(_ bucket: Range<Int>, _ array: UnsafeMutablePointer<Float>) throws {
    try Buckets.allGather(bucket, array, communicator)
  }
}

extension Buckets {
  /// Gives every rank the slices of `bucket` that the others have in `array`.
  public static func allGather(
    _ bucket: Range<Int>, _ array: UnsafeMutablePointer<Float>, _ communicator: any Communicator
  ) throws {
    let slices = slices(bucket, ranks: communicator.size)
    let own = slices[communicator.rank]
    try communicator.exchange(
      slices.indices.filter { $0 != communicator.rank }.flatMap { other in
        [
          Transfer(.receive, other, array + slices[other].lowerBound, slices[other].count),
          Transfer(.send, other, array + own.lowerBound, own.count),
        ]
      })
  }
}
