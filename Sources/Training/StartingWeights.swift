import Foundation

/// What a run's weights are before its first step: drawn, from a file of pretrained ones, or its checkpoint's.
struct StartingWeights {
  private let start: RunStart
  private let communicator: any Communicator
  private let progress: Progress

  init(_ start: RunStart, _ communicator: any Communicator, _ progress: Progress) {
    (self.start, self.communicator, self.progress) = (start, communicator, progress)
  }

  /// Rank 0's start, or its checkpoint, becomes everybody's.
  func load(into replica: Replica, _ optimizer: Optimizer) throws {
    try communicator.together {
      if let checkpoint = start.checkpoint {
        _ = try replica.variables.load(checkpoint.requiredFile("model.safetensors"))
      } else if let pretrained = start.pretrained {
        let report = try pretrained.load(into: replica.variables)
        progress.say("start from \(pretrained.file.path): \(pretrained.summary)")
        if !report.missing.isEmpty {
          progress.say("  not in it, so left at their start: \(Self.grouped(report.missing))")
        }
        if !report.unused.isEmpty { progress.say("  in it but not used: \(Self.grouped(report.unused))") }
      }
    }
    try communicator.broadcast(replica.variables.bytes, root: 0)
    if start.isResumed {
      try optimizer.restore(start.checkpoint, steps: start.state.optimizerSteps)
    } else {
      optimizer.startAverage()
    }
  }

  /// The weights at `path`: a file, or those that answer for a run or a checkpoint.
  static func open(_ path: String, _ network: DMSNet) throws -> PretrainedWeights {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
      return try PretrainedWeights(Safetensors(path: path), for: network)
    }
    let checkpoint = try Checkpoint(path)
    return try PretrainedWeights(checkpoint.requiredFile(checkpoint.weights[0]), for: network)
  }

  /// Tensor names in short: modules with their number of tensors.
  private static func grouped(_ names: [String]) -> String {
    var counts: [(String, Int)] = []
    for name in names {
      let parts = name.split(separator: ".")
      let group = parts.prefix(parts.first == "trunk" ? 2 : 1).joined(separator: ".")
      if counts.last?.0 == group { counts[counts.count - 1].1 += 1 } else { counts.append((group, 1)) }
    }
    return counts.map { "\($0.0) (\($0.1))" }.joined(separator: ", ")
  }
}
