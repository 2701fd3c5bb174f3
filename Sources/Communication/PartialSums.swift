import CKernels
import Tensors

/// What this rank has of a sum over the micro-batches of a step: the newest one's array, and the sums of earlier subtrees that still
/// wait for their siblings.
///
/// Micro-batches come in order. The second of two siblings is added to the first where it appears; beyond that each array joins the
/// sums before it as far as the tree allows, so fewer arrays are kept than the tree has levels.
public final class PartialSums {
  private typealias Floats = UnsafeMutablePointer<Float>

  /// Where micro-batches' arrays appear, one after the other; what the last one's becomes stays here.
  public let array: UnsafeMutablePointer<Float>
  /// Floats of an array.
  public let count: Int
  private let pass: ArrayPass
  private var tree = ReductionTree(leaves: 0)
  /// The subtrees that wait, in order; number i lies in slot i.
  private var waiting: [Range<Int>] = []
  private var slots: [Storage] = []
  /// The subtree whose sum lies in `array`, or is about to.
  private var newest: Range<Int>?
  /// Parts that were given up.
  private var missing: [Range<Int>] = []

  /// Sums of arrays that appear in `array`; `team` adds them up.
  public init(_ array: UnsafeMutableBufferPointer<Float>, team: ThreadTeam) {
    // An empty array has no address; nothing is read there.
    self.array = array.baseAddress ?? UnsafeMutablePointer(bitPattern: Storage.alignment).unsafelyUnwrapped
    count = array.count
    pass = ArrayPass(team)
  }

  /// A new step.
  public func begin(_ tree: ReductionTree) {
    self.tree = tree
    (waiting, newest, missing) = ([], nil, [])
  }

  /// Says that micro-batch `leaf`, the next of this rank's, is about to appear in `array`. Returns whether it is to be added to what is
  /// there, its sibling; otherwise what is there is taken in first.
  public func expect(_ leaf: Int) throws -> Bool {
    let node = leaf..<leaf + 1
    if let newest {
      if let parent = tree.parent(ofRight: node), parent.lowerBound == newest.lowerBound, newest.upperBound == leaf {
        self.newest = parent
        return true
      }
      try put(newest)
    }
    newest = node
    return false
  }

  /// Takes in micro-batch `leaf`, the next of this rank's, which lies in `source`.
  public func take(_ leaf: Int, from source: UnsafeMutablePointer<Float>) throws {
    if try expect(leaf) { pass.add(source, to: array, count) } else { pass.copy(source, to: array, count) }
  }

  /// Takes the subtree in `array` to the waiting ones, and adds it to those that it completes.
  private func put(_ node: Range<Int>) throws {
    let (whole, joins) = joined(node)
    if joins.isEmpty {
      if slots.count == waiting.count { slots.append(try Storage(byteCount: max(4, count * 4))) }
      pass.copy(array, to: slot(joins.lowerBound), count)
    } else {
      for index in joins.dropFirst().reversed() { pass.add(slot(index), to: array, count) }
      pass.add(array, to: slot(joins.lowerBound), count)
    }
    waiting[joins] = [whole]
  }

  /// The waiting subtrees that the one in `array` joins at the end, and what that makes.
  private var last: (node: Range<Int>, joins: Range<Int>)? { newest.map(joined) }

  /// Once all micro-batches are there: adds to `range` of the array the sums that it joins, on the calling thread.
  public func joinLast(_ range: Range<Int>) {
    for index in (last?.joins ?? 0..<0).reversed() {
      dms_add(array + range.lowerBound, slot(index) + range.lowerBound, range.count)
    }
  }

  /// Once all micro-batches are there: adds to the array the sums that it joins, by the team.
  public func joinLast() { for index in (last?.joins ?? 0..<0).reversed() { pass.add(slot(index), to: array, count) } }

  /// Stands in for the parts `nodes`, which this rank could not compute, with whatever is there: so that the other ranks' exchanges
  /// end, and they hear why.
  public func giveUp(_ nodes: [Range<Int>]) { (waiting, newest, missing) = ([], nil, nodes) }

  /// Once the last array is joined, this rank's parts of the tree, in order, each from its element `first` on.
  public func parts(from first: Int) -> [PartialSum] {
    if !missing.isEmpty { return missing.map { PartialSum($0, array + first) } }
    let last = last
    let kept = last?.joins.lowerBound ?? waiting.count
    let earlier = waiting[..<kept].enumerated().map { PartialSum($0.element, slot($0.offset) + first) }
    return earlier + (last.map { [PartialSum($0.node, array + first)] } ?? [])
  }

  /// The subtree that `node` completes, and the waiting ones that it joins.
  private func joined(_ node: Range<Int>) -> (node: Range<Int>, joins: Range<Int>) {
    var (node, first) = (node, waiting.count)
    while first > 0, let parent = tree.parent(ofRight: node), parent.lowerBound == waiting[first - 1].lowerBound,
      waiting[first - 1].upperBound == node.lowerBound
    {
      (node, first) = (parent, first - 1)
    }
    return (node, first..<waiting.count)
  }

  private func slot(_ index: Int) -> Floats { slots[index].base.assumingMemoryBound(to: Float.self) }
}

/// Additions and copies of long arrays, shared out among a team.
private final class ArrayPass: TeamWork, @unchecked Sendable {
  // Unchecked: threads work on disjoint parts; the operands change between runs only.

  private static let grain = 65_536
  private let team: ThreadTeam
  private var body: (Range<Int>) -> Void = { _ in }
  private var count = 0

  init(_ team: ThreadTeam) { self.team = team }

  func add(_ source: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<Float>, _ count: Int) {
    run(count) { dms_add(target + $0.lowerBound, source + $0.lowerBound, $0.count) }
  }

  func copy(_ source: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<Float>, _ count: Int) {
    run(count) { (target + $0.lowerBound).update(from: source + $0.lowerBound, count: $0.count) }
  }

  private func run(_ count: Int, _ body: @escaping (Range<Int>) -> Void) {
    (self.count, self.body) = (count, body)
    team.run(self)
  }

  func run(thread: Int, team: ThreadTeam) {
    team.share((count + Self.grain - 1) / Self.grain, thread) { chunk in
      body(chunk * Self.grain..<min(count, (chunk + 1) * Self.grain))
    }
  }
}
