import Foundation
import Tensors

/// A data set in ODIR-5K's layout that anybody may have: drawn photographs with the real set's proportions of labels.
///
/// A function of its settings alone: the same bytes on every machine, whatever the number of threads.
public struct Synthesis: Sendable {
  /// The kind of table.
  public enum Format: String, Sendable, CaseIterable {
    case xlsx
    case csv
  }

  /// How often each combination of labels occurs among ODIR-5K's 3,500 patients (counted in the organisers' table; rarer ones left out).
  private static let combinations: [(labels: String, count: Int)] = [
    ("N", 1140), ("D", 697), ("O", 551), ("DO", 282), ("C", 146), ("G", 120), ("A", 117), ("M", 107), ("DH", 44),
    ("MO", 40), ("H", 36), ("GO", 35), ("DC", 31), ("DG", 23), ("CO", 22), ("DM", 14), ("DA", 14), ("AO", 14),
    ("GA", 10),
    ("DCO", 8), ("HO", 8), ("DGO", 8), ("GH", 5), ("GM", 5), ("AH", 4),
  ]

  /// A keyword that the rules read back as the label.
  private static let keywords: [Character: String] = [
    "N": "normal fundus", "D": "moderate non proliferative retinopathy", "G": "glaucoma", "C": "cataract",
    "A": "dry age-related macular degeneration", "H": "hypertensive retinopathy", "M": "pathological myopia",
    "O": "macular epiretinal membrane",
  ]

  private let patients: Int
  private let seed: UInt64
  private let size: Int
  private let difficulty: Float
  private let labelNoise: Float
  private let format: Format

  /// - Parameters:
  ///   - size: the photographs' side in pixels, at least 32.
  ///   - difficulty: 0 (plain lesions) ... 1 (faint ones).
  ///   - labelNoise: the share of patients whose labels are drawn anew, whatever their pictures show.
  public init(patients: Int, seed: UInt64, size: Int, difficulty: Float, labelNoise: Float, format: Format) throws {
    func require(_ holds: Bool, _ message: String) throws { if !holds { throw Failure(.usage, message) } }
    try require(patients >= 1, "--patients is \(patients), expected at least 1")
    try require((32...4096).contains(size), "--size is \(size), expected 32 to 4096")
    try require((0...1).contains(difficulty), "--difficulty is \(difficulty), expected 0 to 1")
    try require((0...1).contains(labelNoise), "--label-noise is \(labelNoise), expected 0 to 1")
    (self.patients, self.seed, self.size) = (patients, seed, size)
    (self.difficulty, self.labelNoise, self.format) = (difficulty, labelNoise, format)
  }

  /// Writes the data set to the folder `output`, which must not exist or be empty. The table comes last and whole: a folder
  /// without one is not a data set.
  public func write(to output: String, threads: Int) throws {
    let images = "\(output)/images"
    if let contents = try? FileManager.default.contentsOfDirectory(atPath: output), !contents.isEmpty {
      throw Failure(.output, "\(output): not empty")
    }
    do { try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true) } catch {
      throw Failure(.output, "\(output): cannot be made or written to")
    }
    let failures = Failures()
    DispatchQueue.concurrentPerform(iterations: max(1, threads)) { thread in
      for patient in stride(from: thread, to: patients, by: max(1, threads)) {
        do { try draw(patient, in: images) } catch {
          failures.add(error as? Failure ?? Failure(.inputOutput, "\(images): \(error)"))
        }
        if failures.first != nil { return }
      }
    }
    if let failure = failures.first { throw failure }
    let table = [header] + (0..<patients).map(row)
    let name = "\(output)/annotations.\(format.rawValue)"
    switch format {
    case .xlsx: try Workbook.write(table, to: name)
    case .csv:
      do { try Data(table.map(CSV.line).joined().utf8).write(to: URL(fileURLWithPath: name), options: .atomic) } catch {
        throw Failure(.inputOutput, "\(name): cannot be written")
      }
    }
  }

  private var header: [String] {
    [
      "ID", "Patient Age", "Patient Sex", "Left-Fundus", "Right-Fundus", "Left-Diagnostic Keywords",
      "Right-Diagnostic Keywords",
    ]
      + Keywords.labels
  }

  /// The labels of the left and the right eye of a patient, and those that the table tells.
  private func findings(_ patient: Int) -> (shown: [Set<Character>], told: [Set<Character>]) {
    var stream = CounterRandom(seed: seed).stream(.synthesis, patient, 0)
    let shown = Self.eyes(&stream)
    return (shown, stream.uniform() < labelNoise ? Self.eyes(&stream) : shown)
  }

  private static func eyes(_ stream: inout CounterRandom.Stream) -> [Set<Character>] {
    let total = combinations.reduce(0) { $0 + $1.count }
    var place = stream.below(total)
    var labels = "N"
    for combination in combinations {
      if place < combination.count {
        labels = combination.labels
        break
      }
      place -= combination.count
    }
    // Each disease is in both eyes or in one.
    var eyes: [Set<Character>] = [[], []]
    for label in labels where label != "N" {
      let side = stream.below(4)
      if side != 1 { eyes[0].insert(label) }
      if side != 0 { eyes[1].insert(label) }
    }
    return eyes.map { $0.isEmpty ? ["N"] : $0 }
  }

  private func row(_ patient: Int) -> [String] {
    var stream = CounterRandom(seed: seed).stream(.synthesis, patient, 1)
    let (age, sex) = (20 + stream.below(65), stream.below(2) == 0 ? "Female" : "Male")
    let eyes = findings(patient).told
    let words = eyes.map { eye in
      Keywords.labels.compactMap { eye.contains(Character($0)) ? Self.keywords[Character($0)] : nil }.joined(
        separator: "，")
    }
    let union = eyes[0].union(eyes[1])
    let labels = union == ["N"] ? union : union.subtracting(["N"])
    return ["\(patient)", "\(age)", sex, "\(patient)_left.jpg", "\(patient)_right.jpg"] + words
      + Keywords.labels.map { labels.contains(Character($0)) ? "1" : "0" }
  }

  private func draw(_ patient: Int, in folder: String) throws {
    for (side, labels) in findings(patient).shown.enumerated() {
      let painter = FundusPainter(size: size, difficulty: difficulty, seed: seed, patient: patient, isLeft: side == 0)
      let path = "\(folder)/\(patient)_\(side == 0 ? "left" : "right").jpg"
      do { try painter.paint(labels).jpeg(quality: 90).write(to: URL(fileURLWithPath: path)) } catch is CocoaError {
        throw Failure(.inputOutput, "\(path): cannot be written")
      }
    }
  }
}

/// The first failure of several threads.
private final class Failures: @unchecked Sendable {
  // Unchecked: only touched under `lock`.
  private let lock = NSLock()
  private var found: Failure?
  var first: Failure? { lock.withLock { found } }
  func add(_ failure: Failure) { lock.withLock { if found == nil { found = failure } } }
}
