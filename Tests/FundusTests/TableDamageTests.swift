import Foundation
import Fundus
import Testing

/// Mutated tables are read or refused, and never end the process.
struct TableDamageTests {
  @Test(arguments: UInt64(1)...4) func mutatedTablesAreReadOrRefused(_ seed: UInt64) throws {
    var random = SeededRandom(seed)
    let folder = try AnnotationFolder()
    let table = RandomTable(using: &random)
    let csv = Data(table.rows.map(CSV.line).joined().utf8)
    let workbook = SpreadsheetParts(sheetData: WorkbookTests.sheetData(table.rows), strings: "<si><t>a</t></si>")
    try workbook.write(to: folder.path("whole.xlsx"))
    let archive = try Data(contentsOf: URL(fileURLWithPath: folder.path("whole.xlsx")))
    for round in 0..<60 {
      var damaged = workbook
      let part = damaged.names[Int.random(in: 0..<damaged.names.count, using: &random)]
      damaged.set(part, mutated(damaged.parts[part] ?? Data(), &random))
      try damaged.write(to: folder.path("part.xlsx"))
      for (name, bytes) in [
        ("t.csv", mutated(csv, &random)), ("t.xlsx", mutated(archive, &random)),
        ("part.xlsx", try Data(contentsOf: URL(fileURLWithPath: folder.path("part.xlsx")))),
      ] {
        do { _ = try folder.read(bytes, name: name) } catch let failure as Failure {
          #expect([.data, .missing].contains(failure.kind), "seed \(seed), round \(round), \(name): \(failure)")
          #expect(!failure.message.contains("\n"), "seed \(seed), round \(round), \(name)")
        }
      }
    }
  }

  private func mutated(_ data: Data, _ random: inout SeededRandom) -> Data {
    var bytes = Array(data)
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
      case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...20, using: &random)))
      case 3:
        bytes.insert(contentsOf: [0x22, 0x3C, 0x26, 0xFF, 0x00, 0x39].shuffled(using: &random).prefix(2), at: place)
      default: bytes.removeLast(bytes.count - place)
      }
    }
    return Data(bytes)
  }
}
