import Training

/// A replica for a checkpoint's weights.
struct TrainedModel {
  /// The network.
  let replica: Replica
  private let checkpoint: Checkpoint

  /// Opens the checkpoint at `path`, a run's folder or a checkpoint's. Where `other` has a network of the same shape for pictures of the
  /// same size, both use one replica in turn.
  init(_ path: String, threads: Int, sharing other: TrainedModel? = nil) throws {
    try require(threads, in: Limits.threads, "--threads")
    checkpoint = try Checkpoint(path)
    let (size, network) = (checkpoint.state.options.size, try DMSNet(checkpoint.state.configuration))
    if let other, other.state.options.size == size, other.state.configuration == network.configuration {
      replica = other.replica
    } else {
      replica = try Replica(
        network, height: size.height, width: size.width, threads: threads, seed: nil, trains: false)
    }
    try weights.forEach(load)
  }

  /// The folder of the checkpoint.
  var path: String { checkpoint.path }
  /// Where the run stood.
  var state: State { checkpoint.state }

  /// The files of weights, those that answer first: the average where the run kept one, then the last.
  var weights: [String] { checkpoint.weights }

  /// The thresholds that the run has tuned, one for each of `labels`.
  func thresholds(_ labels: [String]) throws -> [Double] { try checkpoint.thresholds(labels) }

  /// Puts a file's weights in place.
  func load(_ name: String) throws {
    let file = try checkpoint.requiredFile(name)
    let report = try replica.variables.load(file)
    if let missing = report.missing.first { throw Failure(.data, "\(file.path): tensor \(missing) is missing") }
    replica.variablesChanged()
  }

  /// What ranks compare.
  var facts: [String: String] { state.files.reduce(into: [:]) { $0["\(path): \($1.key)"] = $1.value } }
}
