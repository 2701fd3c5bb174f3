/// What ranks do together, so that a collective that does not complete has a name.
public struct Collective: Sendable, Equatable {
  /// What is done. Raw values are part of messages between ranks.
  public enum Operation: UInt8, Sendable, CaseIterable {
    case barrier, broadcast, sum, maximum, gather
    // What an exchange of messages is for.
    case reduceScatter, allGather, exchange
  }

  /// What travels. Raw values are part of messages between ranks.
  public enum Content: UInt8, Sendable, CaseIterable {
    case bytes, gradients, weights, losses, moments, optimizerState, average
  }

  /// What is done.
  public let operation: Operation
  /// What travels.
  public let content: Content
  /// Which bucket, where the content travels in several.
  public let bucket: Int?
  /// Bytes or elements that all ranks know of; 0 where each may bring its own number.
  public let size: Int

  /// Names a collective.
  public init(_ operation: Operation, of content: Content = .bytes, bucket: Int? = nil, size: Int = 0) {
    (self.operation, self.content, self.bucket, self.size) = (operation, content, bucket, size)
  }

  /// All but the size in 32 bits.
  package var word: UInt64 {
    UInt64(operation.rawValue) | UInt64(content.rawValue) << 8 | UInt64(min((bucket ?? -1) + 1, 0xFFFF)) << 16
  }

  /// The collective that `word` says; nil where it says none.
  init?(word: UInt64, size: Int = 0) {
    guard let operation = Operation(rawValue: UInt8(word & 0xFF)),
      let content = Content(rawValue: UInt8(word >> 8 & 0xFF))
    else { return nil }
    self.init(operation, of: content, bucket: word >> 16 & 0xFFFF == 0 ? nil : Int(word >> 16 & 0xFFFF) - 1, size: size)
  }

  /// What tells an exchange's messages from another's, within the 15 bits that MPI grants: those of ranks in different buckets do
  /// not meet, so that a rank that left one out is found waiting and spoils no sum.
  var tag: Int32 { Int32(content.rawValue) << 12 | Int32(operation.rawValue & 3) << 10 | Int32((bucket ?? 0) & 0x3FF) }
}

extension Collective: CustomStringConvertible {
  /// For people.
  public var description: String {
    let operation =
      switch self.operation {
      case .reduceScatter: "reduce-scatter"
      case .allGather: "all-gather"
      default: "\(self.operation)"
      }
    let content =
      switch self.content {
      case .bytes: ""
      case .moments: " of batch norm's moments"
      case .optimizerState: " of the optimizer's state"
      default: " of \(self.content)"
      }
    return operation + content + (bucket.map { ", bucket \($0)" } ?? "")
  }
}
