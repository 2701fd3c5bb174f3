import ArgumentParser
import Foundation
import Training

/// Probabilities of pairs of photographs.
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Probabilities of one pair, a list of pairs or a data set.")

  @Argument(help: "The left and the right photograph.") var photographs: [String] = []
  @Option(help: "A run's folder (its best checkpoint) or a checkpoint's.") var checkpoint: String
  @Option(help: "CSV of ID,left,right instead of a pair.") var list: String?
  @Option(help: "Folder of a data set, labelled or not, instead of a pair.") var data: String?
  @Option(help: "With --data or --list: write the challenge's submission format (ID,N,D,...) here.") var submission:
    String?
  @Option(help: "Threads.") var threads = 1
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let communicator = try Job.communicator()
    let (model, dataset) = try communicator.together {
      if communicator.rank == 0 { try submission.map(AtomicFile.check) }
      return (try TrainedModel(checkpoint, threads: threads), try pairs())
    }
    let (labels, all) = (dataset.labels, Array(dataset.patients.indices))
    try communicator.requireSame(model.facts.merging(dataset.facts(of: all)) { $1 }, .data)
    let weights = model.weights[0]
    try communicator.together { try model.load(weights) }
    let values = try Predictor(model.replica, communicator, workers: 1)
      .probabilities(dataset, all, with: "\(model.path)/\(weights)")
    _ = try communicator.onFirst {
      let rows = dataset.patients.enumerated().map { index, patient in
        (
          id: patient.id,
          values: values[index * labels.count..<(index + 1) * labels.count].map { String(format: "%.9g", Double($0)) }
        )
      }
      if let submission {
        let text = ([["ID"] + labels] + rows.map { [$0.id] + $0.values }).map { $0.joined(separator: ",") + "\n" }
          .joined()
        try AtomicFile.write(Data(text.utf8), to: submission)
      } else if json {
        let objects = rows.map { row in
          [
            "id": row.id,
            "probabilities": Dictionary(uniqueKeysWithValues: zip(labels, row.values.map { Double($0) ?? 0 })),
          ] as [String: Any]
        }
        try StandardOutput.print(
          String(decoding: try Training.json(photographs.isEmpty ? objects : objects[0], indented: true), as: UTF8.self)
        )
      } else {
        let blocks = rows.map { row in
          (rows.count > 1 ? [row.id.escaped()] : []) + zip(labels, row.values).map { "\($0)  \($1)" }
        }
        try StandardOutput.print(blocks.joined().joined(separator: "\n"))
      }
    }
  }

  private func pairs() throws -> Dataset {
    guard [photographs.isEmpty ? 0 : 1, list == nil ? 0 : 1, data == nil ? 0 : 1].reduce(0, +) == 1 else {
      throw Failure(.usage, "predict takes LEFT RIGHT, or --list FILE, or --data DIR")
    }
    if let data {
      var source = Dataset.Source(folder: data)
      source.isLabelled = false
      return try Dataset(source)
    }
    if let list { return try Dataset(list: list) }
    guard photographs.count == 2 else { throw Failure(.usage, "predict takes two photographs, LEFT and RIGHT") }
    return try Dataset(pairs: [(id: photographs[0], left: photographs[0], right: photographs[1])])
  }
}
