import ArgumentParser
import Training

/// Prepares the pairs of a data set for training. Its options are those of `train` that concern data.
struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prepare a data set's pairs: once, before anybody trains on them.",
    usage: "dmsnet prepare --data DIR [OPTIONS]",
    discussion: "Options of train that do not concern data may stand here too, so that a file of options serves both.\n"
      + OptionArguments.help(own: own) { concerned.contains($0.name) })

  private static let own = [
    OptionArguments.Own(
      name: "contact-sheet", value: "FILE.jpg",
      help: "Write a picture of 12 pairs as the network sees them, with and without augmentation.")
  ]

  /// Pairs of a contact sheet.
  private static let shown = 12

  private static let concerned: Set<String> = [
    "data", "annotations", "sheet", "images", "strict", "on-bad-image", "cache", "size", "crop", "padding", "circle",
    "local-mean", "clahe", "workers", "seed", "flip", "vertical-flip", "rotation", "zoom", "shift", "brightness",
    "contrast", "saturation", "hue", "erasing", "mixup",
  ]

  @Argument(parsing: .captureForPassthrough, help: .hidden) var arguments: [String] = []

  func run() throws {
    let communicator = try Job.communicator()
    let told = try communicator.together { try OptionArguments(arguments, command: "prepare", own: Self.own) }
    if told.asksForHelp {
      if communicator.rank == 0 { try StandardOutput.print(Self.helpMessage()) }
      return
    }
    let progress = Progress(isSpeaking: communicator.rank == 0)
    let sheet = told.own["contact-sheet"]
    let (options, found) = try communicator.together {
      let options = try Options(told.given)
      guard !options.data.isEmpty else { throw Failure(.usage, "--data DIR is missing") }
      guard options.cache != .none else { throw Failure(.usage, "--cache is none: there is nothing to prepare") }
      if communicator.rank == 0 { try sheet.map(AtomicFile.check) }
      return (options, try options.dataset())
    }
    try communicator.requireSame(found.facts, .data)
    let dataset = try DataPath(options, isRequired: true, communicator, progress).ready(
      found, Array(found.patients.indices), onBad: options.onBadImage)
    if let line = try communicator.warningLine(dataset) { progress.say(line) }
    progress.say(dataset.summary)
    _ = try communicator.onFirst {
      guard let sheet else { return }
      let all = Array(dataset.patients.indices)
      let contacts = ContactSheet(dataset, options.preparation, options.augmentation(partners: all))
      let places = contacts.spread(Self.shown)
      try AtomicFile.write(contacts.picture(places).jpeg(quality: 90), to: sheet)
      progress.say("\(sheet): \(places.count) pairs")
    }
  }
}
