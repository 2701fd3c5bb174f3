import Foundation
import Testing
import Training

/// Every option there is, walked over: none can be added that does not come back the same from everywhere.
struct OptionTests {
  /// Texts of which one or the other makes sense to an option.
  private static let candidates: [[String]] = [
    ["0.75", "1.25"], ["true"], ["34"], ["7"], ["0.25"], ["basic"], ["sgd"], ["constant"], ["skip"], ["bfloat16"],
    ["ccam", "osim"], ["96x128"],
    ["1", "2", "3", "4"], ["1", "1.5", "2", "2.5", "3", "3.5", "4", "4.5"], ["/a folder/näme: #1, 'quoted'"],
    ["none"], ["mean"], ["auc"], ["focal"], ["balanced"],
  ]

  /// A value of the option that is not its default.
  private func other(_ option: any DeclaredOption) throws -> [String] {
    let found = Self.candidates.first { texts in
      (option.shape == .list || texts.count == 1) && (try? option.read(texts)) != nil && texts != option.defaultTexts
    }
    return try #require(found, "no value for \(option.name)")
  }

  @Test func everyOptionComesBackFromFilesAndCheckpoints() throws {
    let place = try Place()
    let file = "\(place.path)/config.yaml"
    #expect(OptionTable.all.count > 40 && Set(OptionTable.all.map(\.name)).count == OptionTable.all.count)
    for option in OptionTable.all {
      let texts = try other(option)
      let given = try Options([option.name: texts])
      #expect(given != Options(), "\(option.name)")
      try ConfigurationFile.yaml(given).write(toFile: file, atomically: true, encoding: .utf8)
      #expect(try Options(ConfigurationFile.read(file)) == given, "\(option.name) from \(place.text("config.yaml"))")
      #expect(try JSONDecoder().decode(Options.self, from: JSONEncoder().encode(given)) == given, "\(option.name)")

      let unchanged = try given.resumed([option.name: texts])
      #expect(unchanged.options == given && unchanged.changes.isEmpty, "\(option.name)")
      switch option.onResume {
      case .mayChange:
        let changed = try Options().resumed([option.name: texts])
        #expect(changed.options == given && changed.changes.count == 1, "\(option.name)")
      case .keeps:
        let failure = #expect(throws: Failure.self) { try Options().resumed([option.name: texts]) }
        #expect(failure?.kind == .usage && failure?.message.contains("--\(option.name) is ") == true, "\(option.name)")
      }
    }
  }

  /// Recipes name no file, for those are everybody's own.
  @Test func recipesAreFilesOfOptions() throws {
    let folder =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path + "/cluster/recipes"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
    #expect(!names.isEmpty)
    for name in names {
      let options = try ConfigurationFile.read("\(folder)/\(name)")
      #expect(options.count > 5 && options.values.joined().allSatisfy { !$0.contains("/") }, "\(name)")
    }
  }

  /// The file that a person writes: scalars, lists in both styles, nothing set, comments.
  @Test func filesOfOptionsAreReadAsWritten() throws {
    let place = try Place()
    let file = "\(place.path)/options.yaml"
    func read(_ text: String) throws -> [String: [String]] {
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      return try ConfigurationFile.read(file)
    }
    #expect(try read("# nothing\n").isEmpty && read("").isEmpty)
    #expect(
      try read(
        "seed: 18446744073709551615\nbins: [1, 2]\nwithout:\n  - ccam\n  - osim\nsplit: ~\nstrict: true\nclip: 1e-3")
        == [
          "seed": ["18446744073709551615"], "bins": ["1", "2"], "without": ["ccam", "osim"], "strict": ["true"],
          "clip": ["1e-3"],
        ])
    for (text, what) in [
      ("nonsense: 1", "unknown key nonsense"), ("batch: {a: 1}", "batch is neither a value nor a list"),
      ("- batch", "expected options as key: value lines"), ("batch: [", "not YAML"),
      ("batch: many", "'many' is invalid"),
      ("batch: 0", "--batch is 0"), ("batch: 1\nbatch: 2", "key batch stands twice"), ("strict: 3", "'3' is invalid"),
      ("? [a]\n: 1", "unknown key"), ("batch: [1, 2]", "invalid"), ("a: &a [*a]", "alias"),
    ] {
      let failure = #expect(throws: Failure.self) { try read(text) }
      #expect(failure?.kind == .usage && failure?.message.contains(what) == true, "\(text): \(failure?.message ?? "")")
      #expect(failure?.message.hasPrefix(file) == true)
    }
  }
}
