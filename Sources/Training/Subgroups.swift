import Foundation

/// Groups of patients whose measures are told apart.
struct Subgroups {
  /// A group: what it shares, its name, and its members' places among the patients.
  struct Group {
    let kind, name: String
    let members: [Int]
  }

  /// The groups by sex, as the table writes it, and by age in thirds; patients of whom the table does not tell are in none.
  let groups: [Group]

  init(_ patients: [Patient]) {
    let sexes = Dictionary(grouping: patients.indices.filter { !patients[$0].sex.isEmpty }) { patients[$0].sex }
    var groups = sexes.sorted { $0.key < $1.key }.map { Group(kind: "sex", name: $0.key, members: $0.value) }
    let aged = patients.indices.compactMap { place in patients[place].age.map { (place: place, age: $0) } }
    let ages = aged.map(\.age).sorted()
    if let first = ages.first, let last = ages.last {
      // Patients of one age are in one third.
      let bounds = [first, ages[ages.count / 3], ages[2 * ages.count / 3], last + 1]
      for (low, high) in zip(bounds, bounds.dropFirst()) {
        let members = aged.filter { $0.age >= low && $0.age < high }
        guard let youngest = members.map(\.age).min(), let oldest = members.map(\.age).max() else { continue }
        groups.append(Group(kind: "age", name: "\(youngest)-\(oldest)", members: members.map(\.place)))
      }
    }
    self.groups = groups
  }
}
