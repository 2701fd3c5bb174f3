import Foundation
import Testing

/// The architecture: which target may import which, and how long a file may be.
struct ArchitectureTests {
  private static let allowed: [String: Set<String>] = [
    "Platform": ["CAffinity"], "Tensors": ["Platform", "CKernels", "Atomics"], "Graphs": ["Tensors"],
    "Operations": ["Graphs"],
    "Lowering": ["Operations", "CKernels", "COpenBLAS"], "Models": ["Operations", "Lowering"],
    "Fundus": ["Tensors", "CJPEG", "CPNG", "CZip", "CXML", "CXLSX"],
    "Communication": ["Tensors", "CKernels", "CMPI", "CWatch"],
    "Metrics": [],
    "Training": ["CStart", "Models", "Fundus", "Communication", "Metrics", "Crypto", "Yams"],
    "Scaling": ["Communication"], "Reporting": ["Scaling"],
    "dmsnet": ["Training", "Scaling", "Reporting", "ArgumentParser"],
  ]
  private static let system: Set<String> = ["Foundation", "Glibc", "Dispatch", "Synchronization"]
  private static let sources =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path + "/Sources"

  @Test(arguments: allowed.keys.sorted())
  func targetsImportNothingElse(_ target: String) throws {
    let folder = "\(Self.sources)/\(target)"
    let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    let swift = files.filter { $0.hasSuffix(".swift") }
    #expect(!swift.isEmpty)
    for file in swift {
      let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      #expect(lines.count <= 400, "\(target)/\(file) has \(lines.count) lines")
      for line in lines where line.hasPrefix("import ") || line.hasPrefix("@_exported import ") {
        let name = line.split(separator: " ").last.map { String($0.split(separator: ".")[0]) } ?? ""
        let isAllowed = Self.system.contains(name) || Self.allowed[target]?.contains(name) == true
        #expect(isAllowed, "\(target)/\(file) imports \(name)")
      }
    }
  }

  private static func lines(_ folder: String) throws -> [(file: String, lines: [Substring])] {
    let files = FileManager.default.enumerator(atPath: "\(sources)/\(folder)")?.compactMap { $0 as? String } ?? []
    return try files.filter { $0.hasSuffix(".swift") }.map { file in
      let text = try String(contentsOfFile: "\(sources)/\(folder)/\(file)", encoding: .utf8)
      return (file, text.split(separator: "\n", omittingEmptySubsequences: false))
    }
  }

  /// What an operation is fits on a page or two.
  @Test func operationsAreShort() throws {
    for (file, lines) in try Self.lines("Operations") {
      #expect(lines.count <= 150, "\(file) has \(lines.count) lines")
    }
    let members = try Self.lines("Graphs").first { $0.file == "Operation.swift" }?.lines
      .drop { !$0.hasPrefix("public protocol Operation") }.prefix { $0 != "}" }
      .filter { $0.hasPrefix("  func ") || $0.hasPrefix("  var ") }
    #expect((1...8).contains(members?.count ?? 0))
  }

  /// Only the tables of lowerings and of fusions ask for an operation's type.
  @Test func onlyTablesAskForTypes() throws {
    let asking = #/\bas[?!] |\bis [A-Z]|case let .* as /#
    let tables: Set = ["Lowering.swift", "FusionRule.swift", "Fusions.swift"]
    for folder in ["Graphs", "Operations", "Lowering"] {
      for (file, lines) in try Self.lines(folder) where !tables.contains(file) {
        for line in lines where !line.contains("//") {
          #expect(!line.contains(asking), "\(folder)/\(file): \(line)")
        }
      }
    }
  }
}
