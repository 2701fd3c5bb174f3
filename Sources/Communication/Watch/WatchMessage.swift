/// What watches tell one another, in one datagram.
package struct WatchMessage: Equatable {
  /// Why it is sent.
  package enum Kind: UInt8 {
    /// Where the sender is.
    case alive
    /// The sender ends in good order, or says itself what went wrong.
    case leaving
    /// The job is over: what is wrong has been said.
    case over
    /// Everybody is to say where it is.
    case tell
  }

  package var kind: Kind
  package var sender: Int
  package var receiver: Int
  package var place: Whereabouts.Snapshot
  /// Seconds since the sender got on by itself.
  package var idle: Double

  /// Words of a datagram.
  private static let count = 11
  static let byteCount = 8 * count

  package init(_ kind: Kind, from sender: Int, to receiver: Int, _ place: Whereabouts.Snapshot, idle: Double) {
    (self.kind, self.sender, self.receiver, self.place, self.idle) = (kind, sender, receiver, place, idle)
  }

  /// The bytes that travel; `token`: the job's.
  package func bytes(token: UInt64) -> [UInt64] {
    let collective = place.collective.map { $0.word | (place.isInside ? 1 << 40 : 0) } ?? .max
    let words = [
      token, UInt64(kind.rawValue), UInt64(sender) << 32 | UInt64(receiver), UInt64(place.step),
      UInt64(place.activity.rawValue), UInt64(place.seconds * 1000), UInt64(place.sequence), collective,
      UInt64(idle * 1000), UInt64(place.worked), UInt64(place.microBatches),
    ]
    return words.map(\.littleEndian)
  }

  /// The message in `words`; nil where they are none of this job's.
  package init?(_ words: [UInt64], token: UInt64) {
    let words = words.map { UInt64(littleEndian: $0) }
    guard words.count == Self.count, words[0] == token, let kind = Kind(rawValue: UInt8(truncatingIfNeeded: words[1])),
      let activity = Whereabouts.Activity(rawValue: UInt8(truncatingIfNeeded: words[4]))
    else { return nil }
    func number(_ index: Int) -> Int { Int(truncatingIfNeeded: words[index]) }
    var place = Whereabouts.Snapshot()
    (place.step, place.activity, place.seconds) = (number(3), activity, Double(words[5]) / 1000)
    (place.sequence, place.collective) = (number(6), Collective(word: words[7]))
    place.isInside = words[7] < .max && words[7] & 1 << 40 != 0
    (place.worked, place.microBatches) = (number(9), number(10))
    self.init(
      kind, from: Int(words[2] >> 32), to: Int(words[2] & 0xFFFF_FFFF), place, idle: Double(words[8]) / 1000)
  }
}
