import Foundation

/// Labels of one eye from its diagnostic keywords (ODIR-5K's rules): keywords are separated by commas, ASCII or fullwidth; one
/// that only speaks of the picture says nothing; one that names no listed disease is O; an eye is N only when nothing else
/// is found.
public enum Keywords {
  /// The labels these rules speak of, in ODIR-5K's order.
  public static let labels = ["N", "D", "G", "C", "A", "H", "M", "O"]

  private static let saysNothing: Set<String> = [
    "lens dust", "optic disk photographically invisible", "low image quality", "image offset", "anterior segment image",
    "no fundus image",
  ]

  /// For each label the phrases that name it; the first label to match decides.
  private static let rules: [(label: String, phrases: [String])] = [
    ("D", retinopathies),
    ("G", ["glaucoma"]),
    ("C", ["cataract"]),
    ("A", ["age-related macular degeneration"]),
    ("H", ["hypertensive retinopathy"]),
    ("M", ["pathological myopia", "myopia retinopathy", "myopic retinopathy", "myopic maculopathy"]),
  ]

  /// Retinopathies of diabetes: written with and without a space or hyphen.
  private static let retinopathies: [String] = {
    let kinds = [
      "nonproliferative", "non proliferative", "non-proliferative", "non -proliferative", "proliferative diabetic",
      "diabetic", "suspected moderate non proliferative",
    ]
    return kinds.flatMap { ["\($0) retinopathy", "\($0)retinopathy"] }
  }()

  /// The labels of an eye; empty where its keywords say nothing of the fundus.
  public static func labels(of keywords: String) -> Set<String> {
    var found: Set<String> = []
    for part in keywords.split(whereSeparator: { $0 == "," || $0 == "，" }) {
      let keyword = part.trimmingCharacters(in: .whitespacesAndNewlines)
      if keyword.isEmpty || saysNothing.contains(keyword) { continue }
      if keyword == "normal fundus" {
        found.insert("N")
      } else {
        found.insert(rules.first { rule in rule.phrases.contains { keyword.contains($0) } }?.label ?? "O")
      }
    }
    return withoutNormal(found)
  }

  /// The labels of a patient from those of both eyes.
  public static func patient(_ left: Set<String>, _ right: Set<String>) -> Set<String> {
    withoutNormal(left.union(right))
  }

  private static func withoutNormal(_ found: Set<String>) -> Set<String> {
    let diseases = found.subtracting(["N"])
    return diseases.isEmpty ? found : diseases
  }
}
