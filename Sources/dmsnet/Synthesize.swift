import ArgumentParser
import Training

/// Writes a data set in ODIR's layout.
struct Synthesize: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Write a synthetic data set in ODIR's layout.")

  @Option(help: "Folder to make.") var output: String
  @Option(help: "Patients.") var patients = 200
  @Option(help: "Seed.") var seed: UInt64 = 0
  @Option(help: "Side of a photograph in pixels.") var size = 256
  @Option(help: "From 0 (plain lesions) to 1 (faint ones).") var difficulty: Float = 0.3
  @Option(help: "Share of patients whose labels are drawn anew.") var labelNoise: Float = 0
  @Option(help: "Table: xlsx, csv.") var format = Synthesis.Format.xlsx
  @Option(help: "Threads.") var threads = 2

  func run() throws {
    try require(patients, in: 1...1_000_000, "--patients")
    try require(threads, in: Limits.threads, "--threads")
    let synthesis = try Synthesis(
      patients: patients, seed: seed, size: size, difficulty: difficulty, labelNoise: labelNoise, format: format)
    try synthesis.write(to: output, threads: threads)
    Progress(isSpeaking: true).say("\(output): \(patients) patients")
  }
}

extension Synthesis.Format: ExpressibleByArgument {}
