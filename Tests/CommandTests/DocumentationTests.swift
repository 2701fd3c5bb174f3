import Foundation
import Testing

/// The pages that people read: what they point at is there, and the options they name are known.
struct DocumentationTests {
  private static let root =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  private struct Page {
    let path: String
    let text: String
    /// The text without blocks of code, where brackets are no links.
    var prose: String {
      text.split(separator: "```").enumerated().filter { $0.offset % 2 == 0 }.map(\.element).joined()
    }
    var folder: String { URL(fileURLWithPath: path).deletingLastPathComponent().path }
    /// The names that headings have as targets of links on GitHub.
    var anchors: Set<String> {
      Set(
        prose.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
          line.drop { $0 == "#" || $0 == " " }.lowercased().filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
            .replacing(" ", with: "-")
        })
    }

    init(_ path: String) throws {
      self.path = path
      text = try String(contentsOfFile: path, encoding: .utf8)
    }
  }

  private static func pages() throws -> [Page] {
    let folders = ["", "/docs", "/cluster", "/Tests/Parity", "/.github", "/.github/ISSUE_TEMPLATE"].map { root + $0 }
    let files = folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).map { "\(folder)/\($0)" }
    }
    return try files.filter { $0.hasSuffix(".md") }.sorted().map(Page.init)
  }

  @Test func linksLeadSomewhere() throws {
    let pages = try Self.pages()
    #expect(pages.count >= 8)
    var count = 0
    for page in pages {
      for match in page.prose.matches(of: #/\]\(([^)\s]*)\)|(?:src|href)="([^"]*)"/#) {
        let link = String(match.1 ?? match.2 ?? "")
        if link.contains(#/^[a-z]+:/#) { continue }
        count += 1
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let target =
          parts[0].isEmpty ? page.path : URL(fileURLWithPath: "\(page.folder)/\(parts[0])").standardizedFileURL.path
        #expect(FileManager.default.fileExists(atPath: target), "\(page.path): \(link)")
        if parts.count > 1, target.hasSuffix(".md") {
          #expect(try Page(target).anchors.contains(parts[1]), "\(page.path): no heading \(link)")
        }
      }
    }
    #expect(count > 10)
  }

  /// Paths of this repository in code font.
  @Test func pathsThatAreNamedAreThere() throws {
    var count = 0
    for page in try Self.pages() {
      for match in page.prose.matches(of: #/`((?:Sources|Tests|docs|launch|cluster)/[^`\s<>*…]*)`/#) {
        count += 1
        let path = "\(Self.root)/\(match.1)"
        #expect(FileManager.default.fileExists(atPath: path), "\(page.path): \(match.1)")
      }
    }
    #expect(count > 20)
  }

  /// Every option named is one of a command, of a script of ours, or of a tool that the pages tell to call.
  @Test func optionsThatAreNamedAreKnown() throws {
    let commands = [
      ["train"], ["evaluate"], ["predict"], ["prepare"], ["synthesize"], ["check"], ["benchmark", "step"],
      ["benchmark", "kernels"], ["benchmark", "inference"], ["benchmark", "allreduce"], ["benchmark", "loader"],
      ["benchmark", "scaling"], ["graph"], ["doctor"], ["status"],
    ]
    var known: Set<String> = [
      "--filter", "--skip-build", "--version", "--build-tests", "--signal", "--mem", "--scratch-path",
    ]
    for command in commands {
      let help = try Command.run(command + ["--help"])
      #expect(help.code == 0, "\(command)")
      known.formUnion(Self.options(help.output))
    }
    for folder in ["launch", "cluster/recipes", "Tests/Parity"] {
      for file in try FileManager.default.contentsOfDirectory(atPath: "\(Self.root)/\(folder)") {
        guard let text = try? String(contentsOfFile: "\(Self.root)/\(folder)/\(file)", encoding: .utf8),
          !file.hasSuffix(".md")
        else { continue }
        known.formUnion(Self.options(text))
      }
    }
    #expect(known.count > 60)
    var named: Set<String> = []
    // The list of changes names options that are gone.
    for page in try Self.pages() where !page.path.hasSuffix("/CHANGELOG.md") {
      let options = Self.options(page.text)
      named.formUnion(options)
      #expect(options.subtracting(known).isEmpty, "\(page.path): \(options.subtracting(known).sorted())")
    }
    #expect(named.count > 30)
  }

  private static func options(_ text: String) -> Set<String> {
    Set(text.matches(of: #/(?:^|[^-\w])(--[a-z][a-z0-9-]*[a-z0-9])/#).map { String($0.1) })
  }
}
