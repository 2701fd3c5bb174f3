import ArgumentParser
import Training

/// Trains, checkpoints and evaluates. Its options are declared in `OptionTable`.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train, checkpoint and evaluate.", usage: "dmsnet train --data DIR --output DIR [OPTIONS]",
    discussion: TrainArguments.help)

  @Argument(parsing: .captureForPassthrough, help: .hidden) var arguments: [String] = []

  func run() throws {
    let communicator = try Job.communicator()
    let told = try communicator.together { try TrainArguments(arguments) }
    if told.asksForHelp {
      if communicator.rank == 0 { try StandardOutput.print(Self.helpMessage()) }
      return
    }
    let progress = Progress(isSpeaking: communicator.rank == 0)
    let start = try RunStart(told.given, resumes: told.isResumed, communicator, progress)
    let trainer = try Trainer(start, communicator, progress)
    try trainer.train(in: start.open(communicator, progress))
  }
}
