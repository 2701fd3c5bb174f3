import Foundation

/// A failure that every rank knows of: rank 0 reports it, and all exit with its code.
public struct Agreed: Error {
  /// What went wrong, with the rank it went wrong on.
  public let failure: Failure

  /// A failure that all ranks have agreed on or come to by themselves.
  public init(failure: Failure) { self.failure = failure }
}

extension Failure {
  /// Any error as a failure; one of a type that is not `Failure` is a failed run.
  public init(_ error: any Error) {
    switch error {
    case let failure as Failure: self = failure
    case let agreed as Agreed: self = agreed.failure
    default: self.init(.run, "unexpected error: \(error)")
    }
  }
}

extension Communicator {
  /// "[rank 1 of 4 on node07] "; empty where there is one rank.
  public var place: String { size == 1 ? "" : "[rank \(rank) of \(size) on \(host)] " }

  /// Every rank brings its failure or nil; where somebody failed, all throw the failure of the lowest such rank, which
  /// names that rank.
  public func agree(on failure: Failure?) throws {
    guard try maximum(failure == nil ? 0 : 1) > 0 else { return }
    var own = Data()
    if let failure {
      let parts = [String(failure.kind.rawValue), place + failure.message, failure.hint ?? ""]
      own = Data(parts.joined(separator: "\u{1F}").utf8)
    }
    for report in try allGather(own) where !report.isEmpty {
      let parts = String(decoding: report, as: UTF8.self).split(separator: "\u{1F}", omittingEmptySubsequences: false)
      guard parts.count >= 3, let code = Int32(parts[0]), let kind = Failure.Kind(rawValue: code) else { continue }
      let message = parts[1..<parts.count - 1].joined(separator: " ")
      let hint = parts[parts.count - 1]
      throw Agreed(failure: Failure(kind, message, hint: hint.isEmpty ? nil : String(hint)))
    }
  }

  /// Runs `body` on every rank; where it fails on any, with an error of whatever type, all throw. `body` must not communicate.
  public func together<Result>(_ body: () throws -> Result) throws -> Result {
    let result: Result
    do { result = try body() } catch {
      let failure = Failure(error)
      try agree(on: failure)
      throw failure
    }
    try agree(on: nil)
    return result
  }

  /// Runs `body` on rank 0 alone; where it fails, all throw. Others get nil. `body` must not communicate.
  public func onFirst<Result>(_ body: () throws -> Result) throws -> Result? {
    try together { rank == 0 ? try body() : nil }
  }

  /// Ends the job, naming the first rank and fact that differ, unless every rank knows the same facts as rank 0: `facts` by name.
  public func requireSame(_ facts: @autoclosure () -> [String: String], _ kind: Failure.Kind) throws {
    guard size > 1 else { return }
    let facts = facts()
    let lines = facts.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
    let text = lines.joined(separator: "\u{1F}")
    var checksum = Checksum()
    Data(text.utf8).withUnsafeBytes { checksum.add($0) }
    let digests = try allGather(withUnsafeBytes(of: checksum.value) { Data($0) })
    guard digests.contains(where: { $0 != digests[0] }) else { return }
    let first = try broadcast(rank == 0 ? text : nil).components(separatedBy: "\u{1F}")
    let pairs = stride(from: 0, to: first.count - 1, by: 2).map { (first[$0], first[$0 + 1]) }
    let expected = Dictionary(pairs) { value, _ in value }
    let different = Set(expected.keys).union(facts.keys).sorted().first { expected[$0] != facts[$0] }
    try agree(
      on: different.map { name in
        Failure(
          kind, "differs from rank 0: \(name): \(facts[name] ?? "missing") here, \(expected[name] ?? "missing") there")
      })
  }

  /// Gives every rank rank 0's text.
  public func broadcast(_ text: String?) throws -> String {
    let own = Data((text ?? "").utf8)
    var count = rank == 0 ? own.count : 0
    try withUnsafeMutableBytes(of: &count) { try broadcast($0, root: 0) }
    var bytes = [UInt8](repeating: 0, count: count)
    if rank == 0 { bytes = Array(own) }
    try bytes.withUnsafeMutableBytes { try broadcast($0, root: 0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
