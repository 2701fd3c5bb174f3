import Foundation
import Tensors

/// Which patients train and which validate.
public struct Split: Sendable, Equatable {
  /// Places in the data set, in order.
  public let training, validation: [Int]

  /// A split from its sides.
  public init(training: [Int], validation: [Int]) { (self.training, self.validation) = (training, validation) }

  /// A stratified split, of which `share` validates; see `Stratification`. `groups`: places of patients that stay on one side.
  public init(_ dataset: Dataset, validation share: Double, groups: [[Int]] = [], seed: UInt64) {
    let sides = Stratification(dataset, shares: [1 - share, share], groups: groups, seed: seed).sides
    self.init(training: sides[0], validation: sides[1])
  }

  /// Of `folds` stratified parts the one of number `fold`, from 1, validates, and the others train.
  public init(_ dataset: Dataset, fold: Int, of folds: Int, groups: [[Int]] = [], seed: UInt64) {
    let shares = [Double](repeating: 1 / Double(folds), count: folds)
    let sides = Stratification(dataset, shares: shares, groups: groups, seed: seed).sides
    let others = sides.indices.filter { $0 != fold - 1 }.flatMap { sides[$0] }
    self.init(training: others.sorted(), validation: sides[fold - 1])
  }

  /// Those of `groups` that have patients on both sides.
  public func divided(_ groups: [[Int]]) -> [[Int]] {
    let (training, validating) = (Set(training), Set(validation))
    return groups.filter { !training.isDisjoint(with: $0) && !validating.isDisjoint(with: $0) }
  }

  /// Reads `ID,split` rows, `split` being train or validation. Every patient of the data set must be named, and nobody whom its table
  /// does not know; those whose images are missing are passed over.
  public init(_ dataset: Dataset, file path: String) throws {
    let table = try Table(path: path)
    try table.require(["ID", "split"])
    var side: [String: String] = [:]
    for row in table.rows {
      let (id, value) = (try table.identifier(row), table.cell(row, "split"))
      guard ["train", "validation"].contains(value) else {
        throw table.failure(row, "split is \(Failure.excerpt(value)), expected train or validation")
      }
      guard dataset.known.contains(id) else {
        throw table.failure(row, "patient \(Failure.excerpt(id)) is not in \(dataset.annotations)")
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
