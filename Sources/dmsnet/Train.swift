import ArgumentParser
import Training

/// Trains, checkpoints and evaluates. Its options are declared in `OptionTable`.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train, checkpoint and evaluate.", usage: "dmsnet train --data DIR --output DIR [OPTIONS]",
    discussion: OptionArguments.help(own: own))

  private static let own = [
    OptionArguments.Own(
      name: "resume", value: nil,
      help: "Continue the run in --output: its own options and patients, from its newest checkpoint.")
  ]

  @Argument(parsing: .captureForPassthrough, help: .hidden) var arguments: [String] = []

  func run() throws {
    let communicator = try Job.communicator()
    let told = try communicator.together { try OptionArguments(arguments, command: "train", own: Self.own) }
    if told.asksForHelp {
      if communicator.rank == 0 { try StandardOutput.print(Self.helpMessage()) }
      return
    }
    let progress = Progress(isSpeaking: communicator.rank == 0)
    let start = try RunStart(told.given, resumes: told.own["resume"] != nil, communicator, progress)
    if let line = try communicator.crowdingLine(threads: start.options.threads) { progress.say(line) }
    defer { start.watch.stop() }
    communicator.isVerifying = start.options.verifyCollectives
    let trainer = try Trainer(start, communicator, progress)
    try trainer.train(in: start.open(communicator, progress))
  }
}
