import Foundation
import Fundus
import Testing

struct CSVTests {
  private let folder: AnnotationFolder
  init() throws { folder = try AnnotationFolder() }

  private static let good =
    CSV.line(AnnotationFolder.header) + CSV.line(AnnotationFolder.row("1")) + CSV.line(AnnotationFolder.row("2"))

  private func message(_ text: String) throws -> String {
    let failure = try #require(try folder.failure { try folder.read(text) })
    #expect(failure.kind == .data)
    #expect(!failure.message.contains("\n") && failure.message.utf8.count < 400)
    return failure.message
  }

  @Test func linesAreQuotedWhereTheyMustBe() {
    #expect(CSV.line(["a", "b c", ""]) == "a,b c,\n")
    #expect(
      CSV.line(["a,b", "say \"a\"", "x\r\ny", "\r", " a", "a ", "a;b", "a\tb"])
        == "\"a,b\",\"say \"\"a\"\"\",\"x\r\ny\",\"\r\",\" a\",\"a \",\"a;b\",\"a\tb\"\n")
    #expect(CSV.line([""]) == "\"\"\n")
  }

  /// Every dialect of a random table reads as the same patients.
  @Test(arguments: UInt64(1)...12) func dialectsReadTheSame(_ seed: UInt64) throws {
    var random = SeededRandom(seed)
    let table = RandomTable(using: &random)
    for separator in [",", ";", "\t"] {
      for lineEnd in ["\n", "\r\n", "\r"] {
        let quotesAll = Bool.random(using: &random)
        let hint = Bool.random(using: &random) ? "sep=\(separator)\(lineEnd)" : ""
        let text =
          hint
          + table.rows.map { row in
            row.map { cell in
              quotesAll || cell.unicodeScalars.contains { ",;\t\"\r\n".unicodeScalars.contains($0) }
                ? "\"\(cell.replacingOccurrences(of: "\"", with: "\"\""))\"" : cell
            }.joined(separator: separator)
          }.joined(separator: lineEnd) + (Bool.random(using: &random) ? lineEnd : "")
        let encodings: [(String.Encoding, [UInt8])] = [
          (.utf8, []), (.utf8, [0xEF, 0xBB, 0xBF]), (.utf16LittleEndian, [0xFF, 0xFE]),
          (.utf16BigEndian, [0xFE, 0xFF]),
        ]
        for (encoding, mark) in encodings {
          let read = try folder.read(Data(mark) + (try #require(text.data(using: encoding))))
          table.expect(read, "seed \(seed), separator \(separator.debugDescription), \(lineEnd.debugDescription)")
        }
      }
    }
  }

  @Test(arguments: [
    ("1.0,0.0", true), ("True,False", true), ("TRUE,false", true), (" 1 , 0", true), ("2,0", false), ("yes,no", false),
    (",0", false), ("1e0,0", false),
  ])
  func labelsMayBeFractionsOrWords(_ cells: String, isGood: Bool) throws {
    let text = Self.good.replacingOccurrences(of: "1,0,0,0,0\n", with: "\(cells),0,0,0\n")
    if isGood {
      #expect(try folder.read(text).map(\.labels) == [[0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0]])
    } else {
      #expect(try message(text).contains("t.csv, row 2: label C is"))
    }
  }

  @Test func wholeNumbersAsIDsLoseTheirFraction() throws {
    let text =
      CSV.line(AnnotationFolder.header)
      + ["12.0", "007", "1.5", "a.0"].map { CSV.line(AnnotationFolder.row($0)) }
      .joined()
    #expect(Set(try folder.read(text).map(\.id)) == ["12", "007", "1.5", "a.0"])
  }

  @Test func headersMayDifferInCaseAndSpace() throws {
    let text = Self.good.replacingOccurrences(of: "ID,Patient", with: " id,Patient")
      .replacingOccurrences(of: "Left-Diagnostic Keywords", with: "left-diagnostic\u{A0} keywords")
    #expect(try folder.read(text).count == 2)
  }

  @Test func missingAndDoubledColumnsAreNamed() throws {
    let renamed = Self.good.replacingOccurrences(of: "Left-Fundus", with: "Left_Fundus")
    let failure = try #require(try folder.failure { try folder.read(renamed) })
    #expect(failure.message.hasSuffix("column Left-Fundus is missing") && failure.hint?.contains("Left_Fundus") == true)
    #expect(
      try message(Self.good.replacingOccurrences(of: ",Patient Age", with: ",N")).contains(
        "columns 2 and 8 are both called N"))
  }

  @Test func damageNamesItsRow() throws {
    #expect(try message(Self.good + "3,\"60\n\n").contains("t.csv, row 4: a quote is not closed"))
    #expect(try message(Self.good + "3,\"60\"x,\n").contains("t.csv, row 4: text stands behind a closing quote"))
    #expect(try message(Self.good + CSV.line(AnnotationFolder.row("3") + ["", "extra"])).contains("row 4: 17 cells"))
    #expect(try folder.read(Self.good + CSV.line(AnnotationFolder.row("3") + ["", " "])).count == 3)
    #expect(try message(Self.good + "3,\0,").contains("row 4: a NUL byte"))
    let latin = try #require(Self.good.appending("3,caf\u{E9}").data(using: .isoLatin1))
    let failure = try #require(try folder.failure { try folder.read(latin) })
    #expect(failure.message.hasSuffix("row 4: not UTF-8 text") && failure.hint?.contains("UTF-8") == true)
    #expect(try folder.failure { try folder.read(Data([0xFF, 0xFE, 0x41])) }?.kind == .data)
    #expect(try folder.failure { try folder.read(Data([0xFF, 0xFE, 0x00, 0xD8])) }?.kind == .data)
    #expect(try message("").contains("the table is empty"))
    #expect(try message("\n \r\n,,\n").contains("the table is empty"))
  }

  @Test func messagesShortenAndEscapeWhatTheyQuote() throws {
    let long = String(repeating: "x", count: 1 << 20)
    #expect(try message(Self.good.replacingOccurrences(of: "0,0,0,1", with: "\(long),0,0,1")).contains("xxx…"))
    #expect(try message(Self.good.replacingOccurrences(of: "0,0,0,1", with: "\u{1B}[2J,0,0,1")).contains("\\u{1B}[2J"))
    #expect(Failure.excerpt("a\u{1B}b\n\u{202E}") == "a\\u{1B}b\\n\\u{202E}")
    #expect(Failure.excerpt("a" + String(repeating: "\u{301}", count: 1 << 16)).utf8.count < 100)
  }

  @Test func othersThanTablesAreRefused() throws {
    let ole = Data([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) + Data(count: 600)
    #expect(try folder.failure { try folder.read(ole, name: "t.xlsx") }?.message.contains("password") == true)
    #expect(try folder.failure { try folder.read(Self.good, name: "t.xlsx") }?.kind == .data)
    #expect(try folder.failure { try folder.read(Data(Self.good.utf8), sheet: "1") }?.kind == .usage)
    mkfifo(folder.path("fifo.csv"), 0o600)
    #expect(try folder.failure { try folder.readFile("fifo.csv") }?.kind == .missing)
    #expect(try folder.failure { try folder.readFile(".") }?.kind == .missing)
  }

  @Test func listsAndSplitsNameWhatIsWrong() throws {
    func list(_ rows: String) throws -> Failure? {
      let path = try folder.folder.write("list.csv", "ID,left,right\n" + rows)
      return try folder.failure { try Dataset(list: path).patients }
    }
    #expect(try list("a,1_left.jpg,1_right.jpg\n") == nil)
    #expect(try list(",1_left.jpg,1_right.jpg\n")?.message.hasSuffix("list.csv, row 2: ID is empty") == true)
    #expect(
      try list("a,1_left.jpg,1_right.jpg\nb,1_left.jpg,1_right.jpg\na,1_left.jpg,1_right.jpg\n")?.message.hasSuffix(
        "list.csv, row 4: ID a stands in row 2 too") == true)
    try Data(Self.good.utf8).write(to: URL(fileURLWithPath: folder.path("t.csv")))
    var source = Dataset.Source(folder: folder.folder.path)
    source.annotations = folder.path("t.csv")
    let dataset = try Dataset(source)
    let empty = try folder.folder.write("split.csv", "ID,split\n1,train\n,train\n")
    #expect(
      #expect(throws: Failure.self) { try Split(dataset, file: empty) }?.message.hasSuffix("row 3: ID is empty") == true
    )
    let semicolons = try folder.folder.write("split.csv", "ID;split\r\n1.0;train\r\n2.0;validation\r\n")
    #expect(try Split(dataset, file: semicolons).validation.count == 1)
  }
}

/// Patients with random IDs, labels and keywords.
struct RandomTable {
  private(set) var rows = [AnnotationFolder.header]
  private var labels: [String: [UInt8]] = [:]

  init(using random: inout SeededRandom) {
    let alphabet = Array("abc019 ,;\t\"'\n\rÄ漢🙂_x&<>=.-".unicodeScalars)
    for place in 0..<Int.random(in: 1...12, using: &random) {
      var id = "p\(place)"
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        id.unicodeScalars.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
      }
      id += "."
      let values = (0..<8).map { _ in UInt8.random(in: 0...1, using: &random) }
      labels[id] = values
      rows.append(AnnotationFolder.row(id, labels: values.map { "\($0)" }, keywords: "cataract, \(id)"))
    }
  }

  func expect(_ patients: [Patient], _ place: String) {
    #expect(Dictionary(uniqueKeysWithValues: patients.map { ($0.id, $0.labels) }) == labels, "\(place)")
    #expect(patients.allSatisfy { $0.eyeLabels[0][3] == 1 }, "\(place)")
  }
}
