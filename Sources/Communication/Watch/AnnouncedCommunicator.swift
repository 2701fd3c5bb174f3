import Foundation

/// A communicator that announces each collective in the rank's whereabouts before it begins, and that on demand has ranks compare
/// what they are about to do.
package final class AnnouncedCommunicator: ForwardingCommunicator {
  package let base: any Communicator
  /// Whether ranks compare sequence, kind and size before each collective.
  package var isVerifying = false

  /// Announces what is done on `base`.
  package init(_ base: any Communicator) { self.base = base }

  private func announced<Result>(_ collective: Collective, _ body: () throws -> Result) throws -> Result {
    try whereabouts.during(collective) {
      if isVerifying { try verify(collective) }
      return try body()
    }
  }

  /// What a rank is about to do, as the others see it.
  private struct Announcement: Equatable {
    let sequence: Int
    let word: UInt64
    let size: Int

    init(_ sequence: Int, _ collective: Collective) {
      (self.sequence, word, size) = (sequence, collective.word, collective.size)
    }

    init(_ data: Data) {
      let words = data.withUnsafeBytes { bytes in
        (0..<3).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
      }
      (sequence, word, size) = (Int(words[0]), words[1], Int(words[2]))
    }

    var data: Data { [UInt64(sequence), word, UInt64(size)].withUnsafeBytes { Data($0) } }

    var text: String {
      let name = Collective(word: word)?.description ?? "an unknown collective"
      return "collective \(sequence), \(name)" + (size > 0 ? " (size \(size))" : "")
    }
  }

  /// Ends the run where ranks are about to do different things.
  private func verify(_ collective: Collective) throws {
    let all = try base.allGather(Announcement(whereabouts.sequence, collective).data).map(Announcement.init)
    guard all.contains(where: { $0 != all[0] }) else { return }
    let groups = RankGroups(all.map(\.text))
    let come = groups.all.map { "\($0.names) \($0.ranks.count == 1 ? "comes" : "come") to \($0.value)" }
    throw Agreed(failure: Failure(.run, "ranks do not do the same: " + come.joined(separator: "; ")))
  }

  package func barrier() throws { try announced(Collective(.barrier)) { try base.barrier() } }

  package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    try announced(Collective(.broadcast, size: bytes.count)) { try base.broadcast(bytes, root: root) }
  }

  package func exchange(
    _ exchange: Exchange, _ urgency: Urgency, for purpose: Collective, arrived: (Int) -> Void
  ) throws {
    try announced(purpose) { try base.exchange(exchange, urgency, for: purpose, arrived: arrived) }
  }

  package func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try announced(Collective(.sum, size: values.count)) { try base.sum(values) }
  }

  package func sum(_ values: UnsafeMutableBufferPointer<Double>) throws {
    try announced(Collective(.sum, size: values.count)) { try base.sum(values) }
  }

  package func maximum(_ value: Int) throws -> Int { try announced(Collective(.maximum)) { try base.maximum(value) } }

  package func allGather(_ bytes: Data) throws -> [Data] {
    try announced(Collective(.gather)) { try base.allGather(bytes) }
  }
}
