import CWatch
import Foundation

/// Datagrams between the ranks' watches. A datagram may be lost; one of somebody else is not heard.
///
/// Ranks are told all addresses of one another's hosts. Which of them leads somewhere shows: until a rank is heard, what it is to
/// hear goes to all of them, and from then on to where it was heard from.
final class WatchChannel {
  /// Where a rank can be reached, as ranks tell one another at the start.
  struct Address: Codable, Sendable {
    let host: String
    let port: UInt16
    let addresses: [UInt32]
  }

  private static let loopback: UInt32 = 0x7F00_0001
  private static let mostAddresses: Int32 = 8

  let socket: Int32
  private let own: Address
  private let rank: Int
  private var token: UInt64 = 0
  private var candidates: [[dms_endpoint]] = []
  private var known: [dms_endpoint?] = []

  /// A socket of rank `rank` of `host`.
  init(rank: Int, host: String) throws {
    var port: UInt16 = 0
    socket = dms_datagram_open(&port)
    guard socket >= 0 else { throw Failure.system("open a socket", "watch", errno: -socket, kind: .run) }
    var addresses = [UInt32](repeating: 0, count: Int(Self.mostAddresses))
    let count = dms_addresses(&addresses, Self.mostAddresses)
    own = Address(host: host, port: port, addresses: Array(addresses.prefix(Int(count))))
    self.rank = rank
  }

  deinit { close(socket) }

  /// What the other ranks must know.
  var address: Address { own }

  /// Takes up where all ranks can be reached, in their order, and the job's token.
  func connect(_ all: [Address], token: UInt64) {
    self.token = token
    known = Array(repeating: nil, count: all.count)
    candidates = all.map { other in
      let near = other.host == own.host ? [Self.loopback] : []
      return (near + other.addresses).map { dms_endpoint(address: $0, port: other.port) }
    }
  }

  /// Sends `message`, or loses it. `isQuiet`: its receiver has not been heard lately, so all its addresses are tried.
  func send(_ message: WatchMessage, isQuiet: Bool) {
    let words = message.bytes(token: token)
    let places =
      isQuiet ? candidates[message.receiver] : known[message.receiver].map { [$0] } ?? candidates[message.receiver]
    for place in places { dms_datagram_send(socket, place, words, Int32(WatchMessage.byteCount)) }
  }

  /// The next message for this rank; nil where none has come.
  func receive() -> WatchMessage? {
    var words = [UInt64](repeating: 0, count: WatchMessage.byteCount / 8 + 1)
    var from = dms_endpoint()
    while case let count = dms_datagram_receive(socket, &words, Int32(8 * words.count), &from), count >= 0 {
      guard count == WatchMessage.byteCount, let message = WatchMessage(Array(words.dropLast()), token: token),
        message.receiver == rank, candidates.indices.contains(message.sender)
      else { continue }
      // Interfaces come and go, the loopback stays.
      if known[message.sender]?.address != Self.loopback { known[message.sender] = from }
      return message
    }
    return nil
  }

  /// A rank whose host says that its socket is closed, which it was heard from before; nil where there is none.
  func refused() -> Int? {
    var closed = dms_endpoint()
    while dms_datagram_refused(socket, &closed) != 0 {
      if let rank = known.firstIndex(where: { $0?.address == closed.address && $0?.port == closed.port }) {
        return rank
      }
    }
    return nil
  }
}
