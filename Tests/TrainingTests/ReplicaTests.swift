import Foundation
import Testing
import Training

/// A rank one bit of whose weights is flipped when they are first given to all.
private final class FlippingRank: ForwardingCommunicator {
  let base: any Communicator
  private var isFlipped: Bool

  init(_ base: any Communicator, flips: Bool) { (self.base, isFlipped) = (base, !flips) }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    try base.broadcast(bytes, root: root)
    // Nothing else that is given to all is as large.
    guard !isFlipped, bytes.count > 100_000 else { return }
    isFlipped = true
    // Of a zero the step would leave nothing.
    let words = bytes.bindMemory(to: UInt32.self)
    if let place = words.firstIndex(where: { $0 != 0 }) { words[place] ^= 1 }
  }
}

/// One bit of one rank's weights: found at the next comparison, with the rank where a majority tells, and never in a checkpoint.
struct ReplicaTests {
  private func failure(ranks: Int, flipped: Int, _ options: [String: [String]]) throws -> (Failure, checkpoints: Int) {
    let folder = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Synthesis(patients: 12, seed: 5, size: 64, difficulty: 0.5, labelNoise: 0, format: .csv)
      .write(to: "\(folder)/data", threads: 1)
    let base: [String: [String]] = [
      "data": ["\(folder)/data"], "output": ["\(folder)/run"], "depth": ["18"], "stem": ["8"], "width": ["32"],
      "embedding": ["16"], "size": ["64"], "batch": ["4"], "micro-batch": ["1"], "epochs": ["2"], "validation": ["0"],
    ]
    let given = base.merging(options) { $1 }
    let results = ThreadRanks.run(ranks) { base in
      let communicator = FlippingRank(base, flips: base.rank == flipped)
      let progress = Progress(isSpeaking: false)
      let start = try RunStart(given, resumes: false, communicator, progress)
      let trainer = try Trainer(start, communicator, progress)
      try trainer.train(in: start.open(communicator, progress))
    }
    let failures = results.map { result in
      guard case .failure(let error) = result else { return Failure(.stopped, "ended well") }
      return Failure(error)
    }
    for failure in failures { #expect(failure == failures[0]) }
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/run/checkpoints")
    return (failures[0], names.count)
  }

  @Test(arguments: [(3, 0), (3, 2), (4, 1)])
  func theMinorityIsNamed(_ ranks: Int, _ flipped: Int) throws {
    let (failure, checkpoints) = try failure(ranks: ranks, flipped: flipped, ["check-every": ["1"]])
    #expect(failure.kind == .run && checkpoints == 0)
    #expect(
      failure.message.hasPrefix("replicas differ after step 1: rank \(flipped) holds other bits of "), "\(failure)")
  }

  @Test func ofTwoBothAreNamed() throws {
    let (failure, checkpoints) = try failure(ranks: 2, flipped: 1, ["check-every": ["2"]])
    #expect(failure.kind == .run && checkpoints == 0)
    #expect(failure.message.contains("after step 2: rank 0 and rank 1 hold different bits of "), "\(failure)")
  }

  /// Without steps between, before the first checkpoint.
  @Test func noCheckpointIsWrittenFromThem() throws {
    let (failure, checkpoints) = try failure(ranks: 3, flipped: 1, ["check-every": ["0"]])
    #expect(failure.kind == .run && failure.message.contains("after step 3: rank 1 ") && checkpoints == 0, "\(failure)")
  }
}
