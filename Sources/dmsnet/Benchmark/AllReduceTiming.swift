import Foundation
import Training

/// Times the all-reduce in the tree's order, and the MPI library's own, over the ranks of a job: one partial sum a rank.
struct AllReduceTiming {
  private let communicator: any Communicator
  private let storage: Storage
  private let reduction: TreeReduction
  private let team: ThreadTeam

  /// For arrays of at most `largest` bytes. Collective.
  init(_ communicator: any Communicator, largest: Int, wire: Wire) throws {
    self.communicator = communicator
    storage = try communicator.together { try Storage(byteCount: largest) }
    reduction = try TreeReduction(communicator, of: .gradients, wire: wire)
    let ranks = communicator.size
    reduction.begin(ReductionTree(leaves: ranks), shares: (0..<ranks).map { $0..<$0 + 1 })
    team = try ThreadTeam(count: 1)
  }

  /// Sorted seconds of `runs` all-reduces of `bytes` in the tree's order and of as many of the library's, in turn; a run takes as long
  /// as it does on the slowest rank.
  func seconds(_ bytes: Int, runs: Int, besidesLibrary: Bool) throws -> (tree: [Double], library: [Double]) {
    let array = UnsafeMutableBufferPointer(rebasing: storage.floats[..<(bytes / 4)])
    let sums = PartialSums(array, team: team)
    var (trees, libraries) = ([Double](), [Double]())
    // The first touches memory and opens connections.
    for run in 0...runs {
      let tree = try seconds {
        sums.begin(ReductionTree(leaves: communicator.size))
        _ = try sums.expect(communicator.rank)
        try reduction.reduceScatter(array.indices, sums)
        try reduction.allGather(array.indices, sums.array)
      }
      let library = besidesLibrary ? try seconds { try communicator.sum(array) } : 0
      if run > 0 {
        trees.append(tree)
        libraries.append(library)
      }
    }
    return (trees.sorted(), libraries.sorted())
  }

  private func seconds(_ body: () throws -> Void) throws -> Double {
    try communicator.barrier()
    let start = Recording.now
    try body()
    return Double(try communicator.maximum(Int(Recording.now - start))) / 1e9
  }
}
