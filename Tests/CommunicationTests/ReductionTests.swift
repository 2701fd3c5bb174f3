import Communication
import Foundation
import Testing

/// The sum of arrays in the order of the tree, written out: the left half is the largest power of two that leaves something.
private func naive(_ arrays: ArraySlice<[Float]>) -> [Float] {
  guard arrays.count > 1 else { return arrays[arrays.startIndex] }
  var power = 1
  while 2 * power < arrays.count { power *= 2 }
  let (left, right) = (naive(arrays.prefix(power)), naive(arrays.dropFirst(power)))
  return zip(left, right).map { $0 + $1 }
}

/// Values from 1e-8 to 1e8 of both signs, so that any other order of summation shows.
private func drawn(_ count: Int, _ seed: UInt64) -> [Float] {
  var stream = CounterRandom(seed: seed).stream(.test)
  return (0..<count).map { _ in stream.uniform(-1, 1) * Float(pow(10, Double(stream.uniform(-8, 8)))) }
}

/// What each of `ranks` ranks has of the sum of `arrays` after reduce-scatter and all-gather of each of `buckets`.
private func reduced(
  _ arrays: [[Float]], ranks: Int, hosts: [String]? = nil, buckets: [Range<Int>], threads: Int = 1
) throws -> [[Float]] {
  let shares = (0..<ranks).map { arrays.count * $0 / ranks..<arrays.count * ($0 + 1) / ranks }
  return try ThreadRanks.run(ranks, hosts: hosts) { communicator in
    let count = arrays[0].count
    let storage = try Storage(byteCount: count * 4)
    let array = UnsafeMutableBufferPointer(rebasing: storage.floats[..<count])
    let tree = ReductionTree(leaves: arrays.count)
    let sums = PartialSums(array, team: try ThreadTeam(count: threads))
    let reduction = try TreeReduction(communicator, of: .gradients)
    // Twice: what a step leaves behind must not change the next.
    for _ in 0..<2 {
      sums.begin(tree)
      reduction.begin(tree, shares: shares)
      let own = shares[communicator.rank]
      for leaf in own {
        let adds = try sums.expect(leaf)
        for i in array.indices { array[i] = adds ? array[i] + arrays[leaf][i] : arrays[leaf][i] }
      }
      for bucket in buckets {
        sums.joinLast(bucket)
        try reduction.reduceScatter(bucket, sums)
        try reduction.allGather(bucket, sums.array)
      }
    }
    return Array(array)
  }.map { try $0.get() }
}

struct ReductionTreeTests {
  /// The parts of a range cover it, are whole subtrees, and are as few as can be.
  @Test(arguments: [1, 2, 3, 5, 8, 13])
  func partsAreTheLargestSubtrees(_ leaves: Int) {
    var nodes: Set<Range<Int>> = []
    func collect(_ node: Range<Int>) {
      nodes.insert(node)
      guard node.count > 1 else { return }
      let (left, right) = ReductionTree.halves(node)
      #expect(left.count & (left.count - 1) == 0 && left.upperBound == right.lowerBound)
      collect(left)
      collect(right)
    }
    collect(0..<leaves)
    for low in 0..<leaves {
      for high in low + 1...leaves {
        let parts = ReductionTree(leaves: leaves).parts(of: low..<high)
        #expect(parts.flatMap(Array.init) == Array(low..<high) && nodes.isSuperset(of: parts))
        for node in nodes where low <= node.lowerBound && node.upperBound <= high {
          #expect(parts.contains { $0.lowerBound <= node.lowerBound && node.upperBound <= $0.upperBound })
        }
      }
    }
    #expect(ReductionTree(leaves: leaves).parts(of: 0..<0).isEmpty)
  }

  /// Any number of ranks, micro-batches, buckets and threads: the bits of the naive tree.
  @Test(arguments: UInt64(0)..<24)
  func sumsDoNotDependOnRanks(_ seed: UInt64) throws {
    var stream = CounterRandom(seed: seed).stream(.test)
    let count = [1, 7, 4095, 4096, 4097, 30_011][stream.below(6)]
    let arrays = (0..<1 + stream.below(9)).map { drawn(count, 100 * seed + UInt64($0)) }
    let middle = stream.below(count)
    let expected = naive(arrays[...])
    for ranks in [1, 2, 3, 4, 6] {
      let results = try reduced(
        arrays, ranks: ranks, buckets: [0..<middle, middle..<count], threads: 1 + ranks % 2)
      for result in results {
        #expect(result == expected, "seed \(seed): \(count) floats, \(arrays.count) arrays, \(ranks) ranks")
      }
    }
  }

  /// Nor on which hosts they are: several each, in whatever order, or more on one than on another.
  @Test(arguments: UInt64(0)..<24)
  func sumsDoNotDependOnHosts(_ seed: UInt64) throws {
    var stream = CounterRandom(seed: seed).stream(.test)
    let count = [1, 7, 4097, 30_011][stream.below(4)]
    let arrays = (0..<1 + stream.below(14)).map { drawn(count, 200 * seed + UInt64($0)) }
    let middle = stream.below(count)
    let expected = naive(arrays[...])
    for hosts in ["aabb", "abab", "aaabbb", "abccba", "aabbccdd", "aab", "abcdab"] {
      let results = try reduced(
        arrays, ranks: hosts.count, hosts: hosts.map { String($0) }, buckets: [0..<middle, middle..<count])
      for result in results {
        #expect(result == expected, "seed \(seed): \(count) floats, \(arrays.count) arrays, ranks on \(hosts)")
      }
    }
  }

  /// The sizes of real networks, and the values' signs and magnitudes as mixed as can be.
  @Test(arguments: [1, 100_003, 10_000_007])
  func longArraysToo(_ count: Int) throws {
    let arrays = (0..<3).map { drawn(count, UInt64($0)) }
    let expected = naive(arrays[...])
    for ranks in [1, 2, 3] {
      for result in try reduced(arrays, ranks: ranks, buckets: [0..<count]) { #expect(result == expected) }
    }
  }

  /// Slices cover a bucket, in order, and begin at multiples of a chunk of the whole array.
  @Test(arguments: UInt64(0)..<20)
  func slicesCoverTheirBucket(_ seed: UInt64) {
    var stream = CounterRandom(seed: seed).stream(.test)
    let begin = stream.below(100_000)
    let bucket = begin..<begin + stream.below(200_000)
    let slices = Buckets.slices(bucket, ranks: 1 + stream.below(9))
    #expect(slices.first?.lowerBound == bucket.lowerBound && slices.last?.upperBound == bucket.upperBound)
    for (a, b) in zip(slices, slices.dropFirst()) {
      #expect(a.upperBound == b.lowerBound)
      #expect([bucket.lowerBound, bucket.upperBound].contains(b.lowerBound) || b.lowerBound % Buckets.chunk == 0)
    }
  }
}
