import Foundation
import Tensors

/// One patient with both eyes' photographs.
public struct Patient: Sendable, Equatable {
  /// The ID, as the table gives it.
  public let id: String
  /// The row of the table.
  public let row: Int
  /// Paths of the photographs.
  public let left, right: String
  /// 0 or 1 a label; empty where the table has no labels.
  public let labels: [UInt8]
  /// The same for each eye, left first.
  public let eyeLabels: [[UInt8]]
  /// Years, where the table tells.
  public var age: Int?
  /// As the table writes it; empty where it does not tell.
  public var sex = ""
}

/// Patients whose two photographs are there, from a table and a folder of images.
public struct Dataset: Sendable {
  /// What to read and how strictly.
  public struct Source: Sendable {
    /// The folder.
    public var folder: String
    /// The table; nil: the folder's only `.xlsx`, or else its only `.csv`.
    public var annotations: String?
    /// The workbook's sheet, by its name or, from 1, its number; nil: the first that is visible.
    public var sheet: String?
    /// Where images lie; nil: anywhere below the folder.
    public var images: String?
    /// Whether rows without images are an error.
    public var isStrict = false
    /// Whether rows must have labels.
    public var isLabelled = true

    /// A folder, read leniently.
    public init(folder: String) { self.folder = folder }
  }

  /// Where it was read from; nil where pairs were named one by one.
  public let source: Source?
  /// Prepared pairs, which loaders prefer to photographs.
  public internal(set) var cache: PairCache?
  /// The table's path.
  public let annotations: String
  /// The labels' names, in the table's order.
  public let labels: [String]
  /// The patients in the order of their IDs (as numbers where they are).
  public internal(set) var patients: [Patient]
  /// The IDs of all patients of the table, also those who were left out.
  let known: Set<String>
  /// How many patients the table has.
  public var rowCount: Int { known.count }
  /// Why rows were left out, with their number.
  public internal(set) var excluded: [(reason: String, count: Int)]
  /// An image that was not there, and what lies there in its place.
  private let missingExample: String?
  /// What was odd about photographs that were decoded all the same, since the start.
  public let warnings = DecoderWarnings()

  private init(
    annotations: String, labels: [String], patients: [Patient]
  ) {
    (self.annotations, self.labels, self.patients) = (annotations, labels, patients)
    (known, excluded, missingExample, source) = (Set(patients.map(\.id)), [], nil, nil)
  }

  /// The columns every table has.
  private static let imageColumns = ["Left-Fundus", "Right-Fundus"]

  /// Reads a data set; see `Source`.
  public init(_ source: Source) throws {
    self.source = source
    annotations = try source.annotations ?? Self.findTable(source.folder)
    let table = try Table(path: annotations, sheet: source.sheet)
    try table.require(["ID"] + Self.imageColumns)
    let labels = Keywords.labels
    self.labels = labels
    let keywordColumns = ["Left-Diagnostic Keywords", "Right-Diagnostic Keywords"]
    if source.isLabelled { try table.require(keywordColumns + labels) }
    guard !table.rows.isEmpty else { throw Failure(.data, "\(annotations): the table has no rows") }

    let images = try ImageIndex(source.images ?? source.folder)
    var seen: [String: (row: Int, contents: [String])] = [:]
    var patients: [Patient] = []
    var missing = MissingImages()
    for row in table.rows {
      let id = try table.identifier(row)
      func bad(_ what: String) -> Failure { table.failure(row, what) }
      let contents = (Self.imageColumns + (source.isLabelled ? keywordColumns + labels : [])).map {
        table.cell(row, $0)
      }
      if let earlier = seen[id] {
        guard earlier.contents == contents else {
          throw bad("ID \(Failure.excerpt(id)) stands in row \(earlier.row) with other contents")
        }
        continue
      }
      seen[id] = (row.number, contents)
      var values: [UInt8] = []
      var eyes: [[UInt8]] = []
      if source.isLabelled {
        values = try labels.map { try table.label(row, $0) }
        eyes = keywordColumns.map { column in
          let found = Keywords.labels(of: table.cell(row, column))
          return labels.map { found.contains($0) ? 1 : 0 }
        }
      }
      let names = Self.imageColumns.map { table.cell(row, $0) }
      if let empty = names.firstIndex(of: "") { throw bad("\(Self.imageColumns[empty]) is empty") }
      let paths = try names.map { try images.path($0) }
      if let left = paths[0], let right = paths[1] {
        var patient = Patient(
          id: id, row: row.number, left: left, right: right, labels: values, eyeLabels: eyes)
        patient.age = Double(table.cell(row, "Patient Age")).flatMap { Int(exactly: $0.rounded(.down)) }
        patient.sex = table.cell(row, "Patient Sex")
        patients.append(patient)
        continue
      }
      let absent = paths[0] == nil ? names[0] : names[1]
      let namesake = images.namesake(absent)
      if source.isStrict {
        throw Failure(
          .missing, "\(table.path), row \(row.number): image \(absent) is not below \(images.folder)",
          hint: namesake.map { "\($0) is there" } ?? images.inaccessible.map { "\($0) may not be read" })
      }
      missing.add(left: paths[0] == nil, right: paths[1] == nil, absent, namesake)
    }
    self.patients = patients.sorted { Self.precedes($0.id, $1.id) }
    known = Set(seen.keys)
    excluded = missing.counts
    missingExample = missing.example.map { $0 + (images.inaccessible.map { ", \($0) may not be read" } ?? "") }
    guard !patients.isEmpty else {
      throw Failure(
        .missing, "\(images.folder): no patient of \(annotations) has both images there",
        hint: missing.example.map { "\($0); \(images.contents)" })
    }
  }

  /// IDs that are numbers come in their order, before those that are not.
  public static func precedes(_ a: String, _ b: String) -> Bool {
    switch (Int(a), Int(b)) {
    case (let i?, let j?): i < j
    case (_?, nil): true
    case (nil, _?): false
    case (nil, nil): a < b
    }
  }

  private static func findTable(_ folder: String) throws -> String {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
      throw Failure(.missing, "\(folder): no such folder")
    }
    let names = try contents(folder).filter { !$0.hasPrefix(".") && !$0.hasPrefix("~") }
    for suffix in [".xlsx", ".csv"] {
      let tables = names.filter { $0.lowercased().hasSuffix(suffix) }
      if tables.count == 1 { return "\(folder)/\(tables[0])" }
      if tables.count > 1 {
        throw Failure(
          .usage, "\(folder): several tables (\(tables.prefix(3).joined(separator: ", ")))",
          hint: "choose one with --annotations FILE")
      }
    }
    throw Failure(.missing, "\(folder): no annotation file (*.xlsx or *.csv)", hint: "name one with --annotations FILE")
  }

  private static func contents(_ folder: String) throws -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
      throw Failure(.missing, "\(folder): cannot be listed")
    }
  }

  /// What was read and what was left out, for people.
  public var summary: String {
    let left = known.count - patients.count
    let reasons = excluded.map { "\($0.count) \($0.reason)" }.joined(separator: ", ")
    return (annotations.isEmpty ? "" : "\(annotations): ")
      + "\(patients.count) of \(known.count) patients have both images"
      + (left == 0 ? "" : "; \(left) left out: \(reasons)") + (missingExample.map { "; \($0)" } ?? "")
  }
}

extension Dataset {
  /// Pairs of photographs named one by one, without labels.
  public init(pairs: [(id: String, left: String, right: String)]) {
    self.init(
      annotations: "", labels: Keywords.labels,
      patients: pairs.enumerated().map { row, pair in
        Patient(id: pair.id, row: row + 1, left: pair.left, right: pair.right, labels: [], eyeLabels: [])
      })
  }

  /// The pairs of a CSV with columns ID, left, right; paths are relative to its folder.
  public init(list path: String) throws {
    let table = try Table(path: path)
    try table.require(["ID", "left", "right"])
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    func resolve(_ name: String) -> String { URL(fileURLWithPath: name, relativeTo: folder).path }
    var seen: [String: Int] = [:]
    self.init(
      pairs: try table.rows.map { row in
        let id = try table.identifier(row)
        if let earlier = seen.updateValue(row.number, forKey: id) {
          throw table.failure(row, "ID \(Failure.excerpt(id)) stands in row \(earlier) too")
        }
        let names = try ["left", "right"].map { column in
          let name = table.cell(row, column)
          guard !name.isEmpty else { throw table.failure(row, "\(column) is empty") }
          return resolve(name)
        }
        return (id, names[0], names[1])
      })
  }
}
