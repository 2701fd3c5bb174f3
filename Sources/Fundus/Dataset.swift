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

  /// The table's path.
  public let annotations: String
  /// The labels' names, in the table's order.
  public let labels: [String]
  /// The patients in the order of their IDs (as numbers where they are).
  public let patients: [Patient]
  /// How many patients the table has.
  public let rowCount: Int
  /// Why rows were left out, with their number.
  public let excluded: [(reason: String, count: Int)]

  private init(
    annotations: String, labels: [String], patients: [Patient], rowCount: Int, excluded: [(reason: String, count: Int)]
  ) {
    (self.annotations, self.labels, self.patients) = (annotations, labels, patients)
    (self.rowCount, self.excluded) = (rowCount, excluded)
  }

  /// The columns every table has.
  private static let imageColumns = ["Left-Fundus", "Right-Fundus"]

  /// Reads a data set; see `Source`.
  public init(_ source: Source) throws {
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
    var missing = [("left image missing", 0), ("right image missing", 0), ("both images missing", 0)]
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
      switch (try images.path(names[0]), try images.path(names[1])) {
      case (let left?, let right?):
        patients.append(Patient(id: id, row: row.number, left: left, right: right, labels: values, eyeLabels: eyes))
        continue
      case (nil, nil): missing[2].1 += 1
      case (nil, _): missing[0].1 += 1
      case (_, nil): missing[1].1 += 1
      }
      if source.isStrict {
        let absent = try names.first { try images.path($0) == nil } ?? ""
        throw Failure(
          .missing, "\(table.path), row \(row.number): image \(absent) is not below \(source.images ?? source.folder)")
      }
    }
    self.patients = patients.sorted { Self.precedes($0.id, $1.id) }
    rowCount = seen.count
    excluded = missing.filter { $0.1 > 0 }.map { (reason: $0.0, count: $0.1) }
    guard !patients.isEmpty else {
      throw Failure(.missing, "\(source.images ?? source.folder): no patient of \(annotations) has both images there")
    }
  }

  /// IDs that are numbers come in their order, before those that are not.
  static func precedes(_ a: String, _ b: String) -> Bool {
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

  /// A hash of IDs and labels, by which data are known again: FNV-1a over them in order.
  public var fingerprint: String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for patient in patients {
      for byte in Array(patient.id.utf8) + [0] + patient.labels { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
    return String(hash, radix: 16)
  }

  /// What was read and what was left out, for people.
  public var summary: String {
    let left = rowCount - patients.count
    let reasons = excluded.map { "\($0.count) \($0.reason)" }.joined(separator: ", ")
    return "\(annotations): \(patients.count) of \(rowCount) patients have both images"
      + (left == 0 ? "" : "; \(left) left out: \(reasons)")
  }
}

/// Image files by name anywhere below a folder.
private struct ImageIndex {
  private var paths: [String: [String]] = [:]

  init(_ folder: String) throws {
    guard let walk = FileManager.default.enumerator(atPath: folder) else {
      throw Failure(.missing, "\(folder): no such folder")
    }
    for case let item as String in walk {
      let name = item.split(separator: "/").last.map(String.init) ?? item
      guard !item.split(separator: "/").contains(where: { $0.hasPrefix(".") }) else { continue }
      let suffix = name.lowercased()
      if suffix.hasSuffix(".jpg") || suffix.hasSuffix(".jpeg") { paths[name, default: []].append("\(folder)/\(item)") }
    }
  }

  /// The path of image `name`, nil where it is missing; the same name in two places is an error.
  func path(_ name: String) throws -> String? {
    guard let found = paths[name] else { return nil }
    guard found.count == 1 else {
      let both = found.sorted()
      throw Failure(.data, "\(both[0]) and \(both[1]) have the same name", hint: "choose a folder with --images DIR")
    }
    return found[0]
  }
}

extension Dataset {
  /// Pairs of photographs named one by one, without labels.
  public init(pairs: [(id: String, left: String, right: String)]) throws {
    for path in pairs.flatMap({ [$0.left, $0.right] }) where !FileManager.default.fileExists(atPath: path) {
      throw Failure(.missing, "\(path): no such file")
    }
    self.init(
      annotations: "", labels: Keywords.labels,
      patients: pairs.enumerated().map { row, pair in
        Patient(id: pair.id, row: row + 1, left: pair.left, right: pair.right, labels: [], eyeLabels: [])
      }, rowCount: pairs.count, excluded: [])
  }

  /// The pairs of a CSV with columns ID, left, right; paths are relative to its folder.
  public init(list path: String) throws {
    let table = try Table(path: path)
    try table.require(["ID", "left", "right"])
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    func resolve(_ name: String) -> String { URL(fileURLWithPath: name, relativeTo: folder).path }
    var seen: [String: Int] = [:]
    try self.init(
      pairs: table.rows.map { row in
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
