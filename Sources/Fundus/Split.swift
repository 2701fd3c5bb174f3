import Foundation
import Tensors

/// Which patients train and which validate.
public struct Split: Sendable, Equatable {
  /// Places in the data set, in order.
  public let training, validation: [Int]

  /// A split from its sides.
  public init(training: [Int], validation: [Int]) { (self.training, self.validation) = (training, validation) }

  /// Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): patients of the rarest label still to give out come
  /// first, in a seeded order, and each goes to the side that lacks that label most.
  public init(_ dataset: Dataset, validation share: Double, seed: UInt64) {
    var stream = CounterRandom(seed: seed).stream(.split)
    let order = stream.shuffled(Array(dataset.patients.indices))
    let labels = dataset.labels.indices
    let shares = [1 - share, share]
    var wanted = shares.map { share in
      labels.map { label in share * Double(dataset.patients.count { $0.labels[label] == 1 }) }
    }
    var room = shares.map { $0 * Double(dataset.patients.count) }
    var sides: [[Int]] = [[], []]
    var remaining = order
    func give(_ patient: Int, _ label: Int?) {
      let need = { (side: Int) in label.map { wanted[side][$0] } ?? room[side] }
      let side = need(0) == need(1) ? (room[0] >= room[1] ? 0 : 1) : (need(0) > need(1) ? 0 : 1)
      sides[side].append(patient)
      room[side] -= 1
      for label in labels where dataset.patients[patient].labels[label] == 1 { wanted[side][label] -= 1 }
    }
    while !remaining.isEmpty {
      let counts = labels.map { label in remaining.count { dataset.patients[$0].labels[label] == 1 } }
      guard let rarest = labels.filter({ counts[$0] > 0 }).min(by: { counts[$0] < counts[$1] }) else {
        for patient in remaining { give(patient, nil) }
        break
      }
      for patient in remaining where dataset.patients[patient].labels[rarest] == 1 { give(patient, rarest) }
      remaining.removeAll { dataset.patients[$0].labels[rarest] == 1 }
    }
    training = sides[0].sorted()
    validation = sides[1].sorted()
  }

  /// Reads `ID,split` rows, `split` being train or validation. Every patient of the data set must be named; patients that the
  /// data set lacks are passed over, since their images may be missing.
  public init(_ dataset: Dataset, file path: String) throws {
    let table = try Table(path: path)
    try table.require(["ID", "split"])
    var side: [String: String] = [:]
    for row in table.rows {
      let (id, value) = (try table.identifier(row), table.cell(row, "split"))
      guard ["train", "validation"].contains(value) else {
        throw table.failure(row, "split is \(Failure.excerpt(value)), expected train or validation")
      }
      guard side[id] == nil || side[id] == value else {
        throw table.failure(row, "ID \(Failure.excerpt(id)) is on both sides")
      }
      side[id] = value
    }
    if let absent = dataset.patients.first(where: { side[$0.id] == nil }) {
      throw Failure(
        .data,
        "\(path): patient \(Failure.excerpt(absent.id)) of \(dataset.annotations), row \(absent.row), is on no side")
    }
    training = dataset.patients.indices.filter { side[dataset.patients[$0].id] == "train" }
    validation = dataset.patients.indices.filter { side[dataset.patients[$0].id] == "validation" }
  }

  /// The file that `init(_:file:)` reads.
  public func csv(_ dataset: Dataset) -> String {
    let validating = Set(validation)
    return "ID,split\n"
      + (training + validation).sorted().map { index in
        CSV.line([dataset.patients[index].id, validating.contains(index) ? "validation" : "train"])
      }.joined()
  }
}
