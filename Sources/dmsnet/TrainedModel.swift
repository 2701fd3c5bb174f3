import Training

/// A replica for a checkpoint's weights.
struct TrainedModel {
  /// The network.
  let replica: Replica
  private let checkpoint: Checkpoint

  /// Opens the checkpoint at `path`, a run's folder or a checkpoint's.
  init(_ path: String, threads: Int) throws {
    try require(threads, in: Limits.threads, "--threads")
    checkpoint = try Checkpoint(path)
    let (options, network) = (checkpoint.state.options, try DMSNet(checkpoint.state.configuration))
    replica = try Replica(
      network, height: options.size.height, width: options.size.width, threads: threads, seed: nil, trains: false)
    try weights.forEach(load)
  }

  /// The folder of the checkpoint.
  var path: String { checkpoint.path }
  /// Where the run stood.
  var state: State { checkpoint.state }

  /// The files of weights, those that answer first: the average where the run kept one, then the last.
  var weights: [String] { ["ema.safetensors", "model.safetensors"].filter { state.files[$0] != nil } }

  /// Puts a file's weights in place.
  func load(_ name: String) throws {
    let file = try checkpoint.requiredFile(name)
    let report = try replica.variables.load(file)
    if let missing = report.missing.first { throw Failure(.data, "\(file.path): tensor \(missing) is missing") }
    replica.variablesChanged()
  }

  /// What ranks compare.
  var facts: [String: String] { state.files.reduce(into: [:]) { $0["checkpoint's \($1.key)"] = $1.value } }
}
