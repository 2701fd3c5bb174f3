import Foundation
import Fundus
import Synchronization
import Testing

struct PairCacheTests: Sendable {
  private let preparation = Preparation(height: 64, width: 96)
  private let folder: Folder
  private let dataset: Dataset
  private let location: CacheLocation

  init() throws {
    folder = try Folder()
    dataset = try synthesized(folder, patients: 9)
    location = try #require(CacheLocation(dataset, preparation, .besideData))
  }

  private func make(_ dataset: Dataset? = nil, isStopped: @escaping @Sendable () -> Bool = { false }) throws
    -> PairCache
  {
    try CacheWriter(location, preparation, workers: 2, isStopped: isStopped)
      .cache(of: dataset ?? self.dataset, say: { _ in }, progress: { _ in })
  }

  private func reread() throws -> Dataset { try Dataset(Dataset.Source(folder: folder.path + "/data-csv")) }

  /// Everything a loader hands over, for one epoch in which some pairs are mirrored.
  private func batches(_ dataset: Dataset) throws -> [[Float]] {
    let loader = Loader(dataset, preparation, augmentation: Augmentation(seed: 1), workers: 2) { index in
      index < 3 ? (index * 3..<index * 3 + 3).map { Example(patient: $0, epoch: 0, position: $0) } : nil
    }
    var result: [[Float]] = []
    while let batch = try loader.next() {
      result.append(batch.withImages { Array($0) } + batch.labels + batch.eyeLabels)
    }
    return result
  }

  /// Files and folders of caches that are there, whole and half made.
  private var names: [String] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.path + "/data-csv/.dmsnet")) ?? []
    return all.filter { !$0.hasSuffix(".lock") }
  }

  @Test func hashesAreThoseOfXxhsum() {
    for (text, hash) in [
      ("", "ef46db3751d8e999"), ("a", "d24ec4f1a98c6e5b"), ("abc", "44bc2cf5ad770999"),
      ("Nobody inspects the spammish repetition", "fbcea83c8a378bf1"),
    ] {
      #expect(XXH64.text(Data(text.utf8).withUnsafeBytes { XXH64.hash($0) }) == hash, "\(text)")
    }
  }

  @Test func pixelsAreThoseOfThePhotographs() throws {
    let decoded = try batches(dataset)
    let cache = try make()
    #expect(cache.missing == nil && dataset.patients.allSatisfy(cache.holds))
    for patient in dataset.patients {
      for path in [patient.left, patient.right] { try Data("no picture".utf8).write(to: URL(fileURLWithPath: path)) }
    }
    // The photographs are gone, so these can come from the cache alone.
    #expect(try batches(dataset.cached(in: cache)) == decoded)
    #expect(names == [(cache.folder as NSString).lastPathComponent])
  }

  @Test func aCopyStaysOfUseAndWhatChangedDoesNot() throws {
    _ = try make()
    let copied = folder.path + "/copied"
    // Other times, the same contents.
    try FileManager.default.createDirectory(atPath: copied, withIntermediateDirectories: false)
    for name in ["annotations.csv", "images", ".dmsnet"] {
      try FileManager.default.copyItem(atPath: folder.path + "/data-csv/\(name)", toPath: copied + "/\(name)")
    }
    for path in try FileManager.default.subpathsOfDirectory(atPath: copied + "/images") {
      try FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: copied + "/images/" + path)
    }
    let there = try Dataset(Dataset.Source(folder: copied))
    let place = try #require(CacheLocation(there, preparation, .besideData))
    #expect(try PairCache(place, preparation, for: there).missing == nil)

    // A photograph of as many bytes, which even has the old one's time.
    let path = dataset.patients[4].right
    let time = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate]
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[bytes.count / 2] ^= 4
    try bytes.write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.modificationDate: try #require(time)], ofItemAtPath: path)
    let stale = try PairCache(location, preparation, for: dataset)
    #expect(stale.missing == "\(path) has changed")
    #expect(dataset.patients.map(stale.holds) == (0..<9).map { $0 != 4 })
    let decoded = try batches(dataset)
    #expect(try batches(dataset.cached(in: make())) == decoded)

    // A label.
    let table = folder.path + "/data-csv/annotations.csv"
    var lines = try String(contentsOfFile: table, encoding: .utf8).split(separator: "\n").map(String.init)
    lines[3] = lines[3].dropLast() + (lines[3].last == "1" ? "0" : "1")
    try lines.joined(separator: "\n").write(toFile: table, atomically: true, encoding: .utf8)
    let relabelled = try reread()
    #expect(try PairCache(location, preparation, for: relabelled).missing == "labels of patient 2 have changed")
    #expect(try make(relabelled).missing == nil)
    let index = try String(contentsOfFile: location.folder + "/index.csv", encoding: .utf8)
    #expect(index.split(separator: "\n").count == 19)
  }

  /// Whatever byte a file ends at, the cache is refused and made anew.
  @Test(arguments: ["pairs.bin", "index.csv", "header.json"])
  func aCacheThatWasCutShortIsRefused(name: String) throws {
    let decoded = try batches(dataset)
    let path = try make().folder + "/" + name
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    var random = SeededRandom(7)
    for count in [0, whole.count - 1] + (0..<20).map({ _ in Int.random(in: 1..<whole.count - 1, using: &random) }) {
      try whole.prefix(count).write(to: URL(fileURLWithPath: path))
      let failure = #expect(throws: Failure.self, "\(count)") { try PairCache(location, preparation, for: dataset) }
      #expect(failure?.message.hasPrefix("\(location.folder)/\(name)") == true, "\(failure?.message ?? "")")
    }
    try FileManager.default.removeItem(atPath: path)
    #expect(throws: Failure.self) { try PairCache(location, preparation, for: dataset) }
    #expect(try batches(dataset.cached(in: make())) == decoded)
  }

  @Test func damagedPixelsAreNamed() throws {
    let cache = try make()
    let file = try #require(FileHandle(forUpdatingAtPath: cache.folder + "/pairs.bin"))
    let pairBytes = (2 * 64 * 96 * 3 + 4095) / 4096 * 4096
    try file.seek(toOffset: UInt64(5 * pairBytes + 64 * 96 * 3 + 11))
    let byte = try #require(try file.read(upToCount: 1)?.first)
    try file.seek(toOffset: UInt64(5 * pairBytes + 64 * 96 * 3 + 11))
    try file.write(contentsOf: Data([byte ^ 1]))
    try file.close()
    let failure = #expect(throws: Failure.self) { try batches(dataset.cached(in: cache)) }
    #expect(failure?.message.contains("pairs.bin: the right picture of patient 5 is damaged") == true)
  }

  /// A cache that is cut short while somebody reads it is an error, wherever it ends.
  @Test func aCacheMayBeCutShortWhileItIsRead() throws {
    let cache = try make()
    let path = cache.folder + "/pairs.bin"
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    var random = SeededRandom(11)
    for count in [0, whole.count / 9 * 8]
      + (0..<10).map({ _ in Int.random(in: 1..<whole.count / 9 * 8, using: &random) })
    {
      #expect(truncate(path, off_t(count)) == 0)
      let failure = #expect(throws: Failure.self, "\(count)") { try batches(dataset.cached(in: cache)) }
      #expect(failure?.kind == .data && failure?.message.contains("pairs.bin: ends after") == true, "\(count)")
      #expect(failure?.message.hasPrefix("patient ") == true && failure?.hint?.contains("remove") == true)
      let file = try #require(FileHandle(forWritingAtPath: path))
      try file.write(contentsOf: whole)
      try file.close()
    }
    #expect(try batches(dataset.cached(in: cache)) == batches(dataset))
  }

  @Test func whatCannotBeUsedIsLeftOut() throws {
    try Data("no picture".utf8).write(to: URL(fileURLWithPath: dataset.patients[2].left))
    let cache = try make()
    #expect(dataset.patients.map(cache.holds) == (0..<9).map { $0 != 2 })
    #expect(cache.missing == "patient 2 is not in it")
  }

  @Test func anInterruptionLeavesNothing() throws {
    let count = Mutex(0)
    let failure = #expect(throws: Failure.self) {
      try make(isStopped: {
        count.withLock { count in
          count += 1
          return count > 4
        }
      })
    }
    #expect(failure?.kind == .stopped && names.isEmpty)
    // What a killed process leaves is removed by the next.
    let name = (location.folder as NSString).lastPathComponent
    let left = folder.path + "/data-csv/.dmsnet/.\(name).elsewhere-123.part"
    try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
    #expect(try make().missing == nil && names == [name])
  }

  @Test func severalAtOnceMakeOne() throws {
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      do {
        let cache = try make()
        if cache.missing != nil { failures.withLock { $0.append("incomplete") } }
      } catch { failures.withLock { $0.append("\(error)") } }
    }
    #expect(failures.withLock { $0 } == [] && names.count == 1)
  }

  /// Settings that change pixels, and tables, have folders of their own; the place of the data does not matter beside them.
  @Test func differentPixelsHaveDifferentFolders() throws {
    var others = [preparation]
    for change: (inout Preparation) -> Void in [
      { $0.crop = .none }, { $0.padding = .mean }, { $0.padding = .stretch }, { $0.circle = 0.9 },
      { $0.localMean = 4 }, { $0.clahe = 2 },
    ] {
      var other = preparation
      change(&other)
      others.append(other)
    }
    others.append(Preparation(height: 96, width: 64))
    let names = others.compactMap { CacheLocation(dataset, $0, .besideData)?.folder }
    #expect(Set(names).count == others.count)
    #expect(CacheLocation(dataset, preparation, .none) == nil)
    #expect(CacheLocation(dataset, preparation, .folder("/elsewhere"))?.folder.hasPrefix("/elsewhere/64x96-") == true)
    #expect(CacheLocation(Dataset(pairs: [("a", "b", "c")]), preparation, .besideData) == nil)
  }
}
