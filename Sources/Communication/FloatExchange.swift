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

/// Floats that go to another rank, or come from it.
struct FloatMessage {
  /// The other rank.
  let peer: Int
  /// What is sent, or where it is received.
  let values: UnsafeMutablePointer<Float>
  let count: Int

  init(_ peer: Int, _ values: UnsafeMutablePointer<Float>, _ count: Int) {
    (self.peer, self.values, self.count) = (peer, values, count)
  }
}

/// Exchanges of floats in a wire's format.
final class FloatExchange {
  private let communicator: any Communicator
  private let wire: Wire
  private let urgency: Urgency
  /// What is sent and received in bfloat16.
  private var narrow = Scratch()

  init(_ communicator: any Communicator, wire: Wire, urgency: Urgency) {
    (self.communicator, self.wire, self.urgency) = (communicator, wire, urgency)
  }

  /// Rounds floats to what the wire can carry.
  func round(_ values: UnsafeMutablePointer<Float>, _ count: Int) throws {
    guard wire == .bfloat16 else { return }
    let rounded: UnsafeMutablePointer<UInt16> = try narrow.elements(count)
    dms_to_bfloat16(rounded, values, count)
    dms_from_bfloat16(values, rounded, count)
  }

  /// Sends and receives floats; `arrived` is called for each of `rounds`, of which `window` are under way at a time, once it is there.
  func exchange(
    _ sends: [FloatMessage], _ rounds: [[FloatMessage]], window: Int = 1, for purpose: Collective,
    arrived: (_ round: Int) -> Void = { _ in }
  ) throws {
    guard wire == .bfloat16 else {
      let exchange = Exchange(
        sends.map { Message($0.peer, $0.values, $0.count) },
        rounds: rounds.map { $0.map { Message($0.peer, $0.values, $0.count) } }, window: window)
      return try communicator.exchange(exchange, urgency, for: purpose, arrived: arrived)
    }
    var next: UnsafeMutablePointer<UInt16> = try narrow.elements((sends + rounds.joined()).reduce(0) { $0 + $1.count })
    func place(_ message: FloatMessage) -> UnsafeMutablePointer<UInt16> {
      defer { next += message.count }
      return next
    }
    let outgoing = sends.map { message in
      let place = place(message)
      dms_to_bfloat16(place, message.values, message.count)
      return Message(message.peer, place, message.count)
    }
    let places = rounds.map { $0.map { (message: $0, place: place($0)) } }
    let incoming = places.map { $0.map { Message($0.message.peer, $0.place, $0.message.count) } }
    try communicator.exchange(Exchange(outgoing, rounds: incoming, window: window), urgency, for: purpose) { round in
      for (message, place) in places[round] { dms_from_bfloat16(message.values, place, message.count) }
      arrived(round)
    }
  }
}
