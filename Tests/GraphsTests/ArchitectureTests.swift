import Foundation
import Testing

/// The architecture: which target may import which, and how long a file may be.
struct ArchitectureTests {
  private static let allowed: [String: Set<String>] = [
    "Platform": [], "Tensors": ["Platform", "CKernels", "Atomics"], "Graphs": ["Tensors"],
    "Operations": ["Graphs"],
    "Lowering": ["Operations", "CKernels", "COpenBLAS"], "Models": ["Operations", "Lowering"],
    "Fundus": ["Tensors", "CJPEG", "CPNG", "CZip", "CXML", "CXLSX"], "Communication": ["Tensors", "CKernels", "CMPI"],
    "Metrics": [],
    "Training": ["CStart", "Models", "Fundus", "Communication", "Metrics", "Crypto", "Yams"],
    "dmsnet": ["Training", "ArgumentParser"],
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
}
