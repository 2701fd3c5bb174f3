import Foundation
import Models
import Testing

/// The graphs of ResNet-50's network as they run, kept as text: a change of the passes shows what it changes, or that it changes
/// nothing.
struct ListingTests {
  private static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Parity/graphs"

  private func listings(trains: Bool, accumulates: Bool = false) throws -> [Listing] {
    var configuration = try Configuration(depth: 50)
    (configuration.stem, configuration.width) = (16, 32)
    return try DMSNet(configuration).listings(pairs: 2, height: 64, width: 64, trains: trains, accumulates: accumulates)
  }

  @Test(arguments: ["training", "inference"])
  func theScheduleIsTheKeptOne(_ mode: String) throws {
    let text = try #require(listings(trains: mode == "training").first { $0.pass == .schedule }).text
    let path = "\(Self.folder)/depth-50-\(mode).txt"
    if ProcessInfo.processInfo.environment["DMSNET_RENEW_GRAPHS"] != nil {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
    let (found, kept) = (lines(text), lines(try String(contentsOfFile: path, encoding: .utf8)))
    let place = zip(found, kept).enumerated().first { $1.0 != $1.1 }
    #expect(place == nil, "line \((place?.offset ?? 0) + 1); DMSNET_RENEW_GRAPHS=1 writes the file anew")
    #expect(found.count == kept.count)
  }

  private func lines(_ text: String) -> [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

  /// Every pass is seen once, in order, and does what it is for.
  @Test func passesAreSeenInOrder() throws {
    let training = try listings(trains: true)
    #expect(training.map(\.pass) == Pass.allCases.filter { ![.foldConstants, .accumulate].contains($0) })
    let accumulating = try listings(trains: true, accumulates: true)
    #expect(accumulating.map(\.pass) == Pass.allCases.filter { $0 != .foldConstants })
    let inference = try listings(trains: false)
    #expect(inference.map(\.pass) == [.write, .prune, .foldConstants, .fuse, .schedule, .planMemory])
    /// What the text has after a pass and not before it, or the other way round.
    func expect(_ word: String, from first: Pass, _ listings: [Listing], before: Bool = false) {
      let start = listings.firstIndex { $0.pass == first } ?? 0
      for (index, listing) in listings.enumerated() {
        let isAfter = index >= start
        #expect(listing.text.contains(word) == (isAfter != before), "\(word) after \(listing.pass)")
      }
    }
    expect("convolution-weight-gradient", from: .differentiate, training)
    expect(".again", from: .rematerialise, training)
    expect("= reshape", from: .prune, training, before: true)
    expect("once ", from: .foldConstants, inference)
    expect("gradient of trunk.conv1.weight", from: .accumulate, accumulating)
    let sums = try #require(accumulating.first { $0.pass == .fuse }).text.split(separator: "\n").filter {
      $0.hasSuffix("# accumulation")
    }
    #expect(!sums.isEmpty && !sums.contains { $0.contains("conv1.weight") })
    expect("      + ", from: .fuse, training)
    expect("(batch-norm[", from: .fuse, training)
    expect("in place of", from: .schedule, training)
    expect(", at ", from: .planMemory, training)
  }

  @Test func pictureNamesEveryStep() throws {
    let listing = try #require(listings(trains: false).first { $0.pass == .fuse })
    let steps = listing.text.split(separator: "\n").filter { !$0.hasPrefix(" ") }.count
    #expect(listing.dot.hasPrefix("digraph \"fuse\" {\n") && listing.dot.hasSuffix("}\n"))
    #expect(listing.dot.components(separatedBy: "\n  n").filter { $0.contains(" [label=") }.count == steps)
  }
}
