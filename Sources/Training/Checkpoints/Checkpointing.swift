/// When all ranks write a checkpoint: proves that replicas hold the same bits, copies what rank 0 writes, and has it written while
/// training goes on. Nothing of the run changes by it.
final class Checkpointing {
  /// The step of the newest checkpoint.
  var newest: Int?
  private let variables: Variables
  private let optimizer: Optimizer
  private let communicator: any Communicator
  private let keep: Int
  private let writer = CheckpointWriter()
  /// What replicas have in common, and the step after which that was last proved.
  private let common: [(name: String, bytes: UnsafeRawBufferPointer)]
  private var verified: Int?

  init(_ variables: Variables, _ optimizer: Optimizer, _ communicator: any Communicator, keep: Int) {
    (self.variables, self.optimizer, self.communicator, self.keep) = (variables, optimizer, communicator, keep)
    common = variables.list.indices.map { (variables.list[$0].name, variables.bytes(of: $0)) } + optimizer.common
  }

  /// Ends the run unless all ranks hold the same bits after step `step`. Collective.
  func verify(at step: Int) throws {
    guard verified != step else { return }
    try communicator.verifyReplicas(common, at: step)
    verified = step
  }

  /// Begins to write a checkpoint of `state` on rank 0, whose folder `run` is. Collective.
  func write(_ state: State, _ run: RunDirectory?) throws {
    try verify(at: state.step)
    // The copies of the one before are given back first.
    try finish()
    let files = try optimizer.files()
    try communicator.together {
      if let run, let files { try writer.write(state, files, to: run.checkpoints, keep: keep) }
    }
    newest = state.step
  }

  /// Throws on rank 0 what went wrong with a checkpoint.
  func check() throws { try writer.check() }

  /// Waits until the newest checkpoint is whole. Collective.
  func finish() throws {
    try communicator.together { try communicator.whereabouts.during(.writing) { try writer.finish() } }
  }
}
