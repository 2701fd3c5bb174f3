import CKernels
import Tensors

/// One binary tree over the micro-batches of a step. Whatever a step sums over them is summed in its order, which depends on their
/// number alone: a sum has the same bits whichever ranks computed its parts.
///
/// A node is the range of its leaves. Its left subtree holds the largest power of two of leaves that leaves some for the right one.
public struct ReductionTree: Sendable, Equatable {
  /// The micro-batches of the step.
  public let leaves: Int

  /// The tree over `leaves` micro-batches.
  public init(leaves: Int) { self.leaves = leaves }

  /// The two subtrees of a node of at least two leaves.
  public static func halves(_ node: Range<Int>) -> (left: Range<Int>, right: Range<Int>) {
    var power = 1
    while 2 * power < node.count { power *= 2 }
    let middle = node.lowerBound + power
    return (node.lowerBound..<middle, middle..<node.upperBound)
  }

  /// The largest whole subtrees within `ranges`, which are disjoint, in order: what somebody who has only these leaves can sum.
  public func parts(of ranges: [Range<Int>]) -> [Range<Int>] {
    func cover(_ node: Range<Int>) -> [Range<Int>] {
      let covered = ranges.reduce(0) { $0 + $1.clamped(to: node).count }
      if covered == 0 { return [] }
      if covered == node.count { return [node] }
      let (left, right) = Self.halves(node)
      return cover(left) + cover(right)
    }
    return cover(0..<leaves)
  }

  /// The largest whole subtrees within `range`, in order.
  public func parts(of range: Range<Int>) -> [Range<Int>] { parts(of: [range]) }

  /// The node whose right subtree is `node`; nil where `node` is a left one, or the whole.
  func parent(ofRight node: Range<Int>) -> Range<Int>? {
    var parent = 0..<leaves
    while parent.count > 1 {
      let (left, right) = Self.halves(parent)
      if right == node { return parent }
      parent = node.lowerBound < right.lowerBound ? left : right
    }
    return nil
  }
}

/// A subtree's sum: an array, or the slice of it that is wanted.
public struct PartialSum {
  /// The leaves it sums.
  public let node: Range<Int>
  /// Its elements.
  public let values: UnsafeMutablePointer<Float>

  /// The sum of the leaves `node`.
  public init(_ node: Range<Int>, _ values: UnsafeMutablePointer<Float>) { (self.node, self.values) = (node, values) }
}

/// Adds up partial sums in the order of the tree, block by block in the first-level cache.
struct TreeSum {
  private static let block = 2048
  /// One block a level of the tree; 2^40 micro-batches are more than any step has.
  private let workspace: Storage

  init() throws { workspace = try Storage(byteCount: 41 * Self.block * 4) }

  /// `target` = the sum of `parts`, which cover `node`; one of them may lie where `target` does.
  func sum(
    _ parts: [PartialSum], of node: Range<Int>, into target: UnsafeMutablePointer<Float>, count: Int
  ) {
    // Both orders of two addends give the same bits.
    if parts.count == 2, let there = parts.firstIndex(where: { $0.values == target }) {
      return dms_add(target, parts[1 - there].values, count)
    }
    let floats = workspace.base.assumingMemoryBound(to: Float.self)
    for start in stride(from: 0, to: count, by: Self.block) {
      let length = min(Self.block, count - start)
      evaluate(parts[...], node, start, length, floats)
      (target + start).update(from: floats, count: length)
    }
  }

  private func evaluate(
    _ parts: ArraySlice<PartialSum>, _ node: Range<Int>, _ start: Int, _ count: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    guard let first = parts.first else { return target.update(repeating: 0, count: count) }
    if parts.count == 1, first.node == node { return target.update(from: first.values + start, count: count) }
    let (left, right) = ReductionTree.halves(node)
    let middle = parts.firstIndex { $0.node.lowerBound >= right.lowerBound } ?? parts.endIndex
    evaluate(parts[..<middle], left, start, count, target)
    if let part = parts[middle...].first, part.node == right {
      dms_add(target, part.values + start, count)
    } else {
      evaluate(parts[middle...], right, start, count, target + Self.block)
      dms_add(target, target + Self.block, count)
    }
  }
}
