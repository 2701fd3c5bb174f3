import Tensors

/// Patients given to sides so that each side has its share of every label: iterative stratification (Sechidis, Tsoumakas and
/// Vlahavas 2011). Patients of the rarest label still to give out come first, in a seeded order, and each goes to the side that lacks
/// that label most. Patients of one group go together.
struct Stratification {
  private let labels: Range<Int>
  /// What each side still wants of each label, and of patients.
  private var wanted: [[Double]]
  private var room: [Double]
  private(set) var sides: [[Int]]

  /// Patients with what they count for each label.
  private struct Unit {
    let patients: [Int]
    let counts: [Int]
  }

  /// Sides of `shares` of the patients of `dataset`, which add up to 1. `groups`: places of patients that stay together, none of
  /// them in two groups.
  init(_ dataset: Dataset, shares: [Double], groups: [[Int]], seed: UInt64) {
    labels = dataset.labels.indices
    let labels = labels
    wanted = shares.map { share in
      labels.map { label in share * Double(dataset.patients.count { $0.labels[label] == 1 }) }
    }
    room = shares.map { $0 * Double(dataset.patients.count) }
    sides = shares.map { _ in [] }
    var stream = CounterRandom(seed: seed).stream(.split)
    var group: [Int: [Int]] = [:]
    for members in groups { for member in members { group[member] = members } }
    // A group comes where the first of it comes.
    var seen: Set<Int> = []
    var remaining: [Unit] = []
    for patient in stream.shuffled(Array(dataset.patients.indices)) where !seen.contains(patient) {
      let members = group[patient] ?? [patient]
      seen.formUnion(members)
      let counts = labels.map { label in members.count { dataset.patients[$0].labels[label] == 1 } }
      remaining.append(Unit(patients: members, counts: counts))
    }
    while !remaining.isEmpty {
      let counts = labels.map { label in remaining.count { $0.counts[label] > 0 } }
      guard let rarest = labels.filter({ counts[$0] > 0 }).min(by: { counts[$0] < counts[$1] }) else {
        for unit in remaining { give(unit, room) }
        break
      }
      for unit in remaining where unit.counts[rarest] > 0 { give(unit, wanted.map { $0[rarest] }) }
      remaining.removeAll { $0.counts[rarest] > 0 }
    }
    sides = sides.map { $0.sorted() }
  }

  /// Gives a unit to the side of the largest `need`, of several to the one with most room, of these to the first.
  private mutating func give(_ unit: Unit, _ need: [Double]) {
    var side = 0
    for other in sides.indices.dropFirst()
    where need[other] > need[side] || (need[other] == need[side] && room[other] > room[side]) {
      side = other
    }
    sides[side] += unit.patients
    room[side] -= Double(unit.patients.count)
    for label in labels { wanted[side][label] -= Double(unit.counts[label]) }
  }
}
