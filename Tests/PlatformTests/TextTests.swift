import Foundation
import Platform
import Testing

struct TextTests {
  @Test func whatMovesTheCursorIsEscaped() {
    #expect("a path with spaces/é 眼.jpg".escaped() == "a path with spaces/é 眼.jpg")
    #expect("a\nb\r\tc\u{1B}[2J".escaped() == "a\\nb\\r\\tc\\u{1B}[2J")
    #expect("\u{0}\u{7F}\u{9B}\u{202E}\u{2066}\u{2028}".escaped() == "\\u{0}\\u{7F}\\u{9B}\\u{202E}\\u{2066}\\u{2028}")
    #expect("\r\n".escaped() == "\\r\\n")
    #expect("one\ntwo\u{7}".escaped(keepingLines: true) == "one\ntwo\\u{7}")
    #expect("first\nsecond".firstLine == "first" && "".firstLine == "" && "\n".firstLine == "")
  }

  @Test func longTextLosesItsMiddle() {
    #expect("0123456789".oneLine(limit: 10) == "0123456789")
    #expect("0123456789".oneLine(limit: 7) == "012…789")
    let stacked = "e" + String(repeating: "\u{301}", count: 5000)
    #expect(stacked.oneLine(limit: 100).unicodeScalars.count == 100)
  }

  /// Whatever a failure quotes, it is shown on one line, and one more for its hint.
  @Test func aFailureIsAtMostTwoLines() {
    let long = String(repeating: "x\n", count: 1_000_000)
    let plain = Failure(.data, "name\n\(long)/table.csv: row 3 is bad").description
    #expect(!plain.contains("\n") && plain.unicodeScalars.count < 1000 && plain.hasSuffix("/table.csv: row 3 is bad"))
    let lines = Failure(.usage, "a\nb", hint: "c\n\(long)").description.split(separator: "\n")
    #expect(lines.count == 2 && lines[0] == "a\\nb" && lines[1].hasPrefix("hint: c\\n") && lines[1].count < 1000)
  }

  @Test func distancesCountChanges() {
    #expect("batch".editDistance(to: "batch") == 0 && "bach".editDistance(to: "batch") == 1)
    #expect("kitten".editDistance(to: "sitting") == 3 && "".editDistance(to: "abc") == 3)
    #expect("abc".editDistance(to: "") == 3 && "ab".editDistance(to: "ba") == 2)
  }
}
