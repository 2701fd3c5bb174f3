import Allocations
import Foundation
import Models
import Testing

let data = ProcessInfo.processInfo.environment["DMSNET_TEST_DATA"]

func files(_ folder: String) -> [String] {
  guard let data else { return [] }
  let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(data)/\(folder)")) ?? []
  return names.filter { $0.hasSuffix(".safetensors") }.sorted().map { "\(data)/\(folder)/\($0)" }
}

/// A small network that every module is part of.
func small(_ change: (inout Configuration) -> Void = { _ in }) throws -> DMSNet {
  var configuration = Configuration()
  (configuration.block, configuration.blocks, configuration.stem) = (.basic, [1, 1, 1, 1], 8)
  (configuration.width, configuration.embedding, configuration.heads) = (32, 16, 4)
  change(&configuration)
  return try DMSNet(configuration)
}

/// Fixtures of the project's own.
private let bundled =
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Parity/fixtures"

@Suite(.serialized)
struct ParityTests {
  @Test(arguments: ["without-casfm", "uneven-channels"])
  func theEngineAgreesWithSmallFixtures(_ name: String) throws {
    let comparisons = try ParityFixture(path: "\(bundled)/\(name).safetensors").compare(threads: 2)
    #expect(comparisons.count > 100 && comparisons.allSatisfy(\.holds))
  }

  @Test(
    .enabled(if: !files("fixtures").isEmpty, "DMSNET_TEST_DATA names no folder with fixtures"),
    arguments: files("fixtures"))
  func theEngineAgreesWithTheReference(_ path: String) throws {
    let comparisons = try ParityFixture(path: path).compare(threads: 2)
    #expect(comparisons.count > 100)
    for comparison in comparisons where !comparison.holds {
      Issue.record("\(path): \(comparison.name) is off by \(comparison.error), the bar is \(comparison.bar)")
    }
  }
}

/// Fixtures that are not as the reference writes them.
struct DamagedFixtureTests {
  private typealias Contents = (metadata: [String: String], tensors: [String: Tensor])

  private func contents() throws -> Contents {
    let file = try Safetensors(path: "\(bundled)/without-casfm.safetensors")
    var tensors: [String: Tensor] = [:]
    for name in file.names { tensors[name] = try file.tensor(name) }
    return (file.metadata, tensors)
  }

  /// Compares a fixture with other contents; the failure, if it fails.
  private func failure(_ contents: Contents) throws -> Failure? {
    let path = NSTemporaryDirectory() + "dmsnet-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let items = contents.tensors.sorted { $0.key < $1.key }.map { name, tensor in
      guard name.hasSuffix("num_batches_tracked") else { return Safetensors.Item(name, tensor) }
      return Safetensors.Item(name, TensorType(tensor.shape, .int64)) {
        tensor.values.map { Int64($0) }.withUnsafeBytes { Data($0) }
      }
    }
    try Safetensors.write(items, metadata: contents.metadata, to: path)
    do {
      _ = try ParityFixture(path: path).compare(threads: 1)
      return nil
    } catch let failure as Failure {
      return failure
    }
  }

  @Test func inputsAndBarsMustFit() throws {
    let whole = try contents()
    let side = Tensor([1, 3, 32, 64])
    let changes: [(String, (inout Contents) -> Void)] = [
      ("no pairs", { for eye in ["left", "right"] { $0.tensors["input/\(eye)"] = Tensor([0, 3, 64, 64]) } }),
      ("small", { for eye in ["left", "right"] { $0.tensors["input/\(eye)"] = side } }),
      ("rank 3", { for eye in ["left", "right"] { $0.tensors["input/\(eye)"] = Tensor([3, 64, 64]) } }),
      ("one eye", { $0.tensors["input/right"] = side }), ("missing", { $0.tensors["input/left"] = nil }),
      ("labels", { $0.tensors["input/labels"] = Tensor([1, 1]) }),
      ("eye labels", { $0.tensors["input/eye_labels"] = Tensor([2]) }),
      ("no bar", { $0.tensors["bar/gradient"] = nil }), ("empty bar", { $0.tensors["bar/logits"] = Tensor([0]) }),
      ("NaN bar", { $0.tensors["bar/loss"] = Tensor([1], [.nan]) }),
      ("infinite bar", { $0.tensors["bar/loss"] = Tensor([1], [.infinity]) }),
      ("no norm", { $0.tensors["gradient_norm/classifier"] = Tensor([0]) }),
      ("no loss weights", { $0.metadata["loss"] = nil }), ("no JSON", { $0.metadata["config"] = "{" }),
      ("depth", { $0.metadata["config"] = String(repeating: "[", count: 100_000) }),
    ]
    for (name, change) in changes {
      var changed = whole
      change(&changed)
      let failure = try failure(changed)
      #expect(failure?.kind == .data, "\(name): \(failure?.description ?? "passes")")
    }
  }

  /// Whatever numbers its description holds, a fixture is compared or refused.
  @Test func mutatedDescriptionsAreRefused() throws {
    let whole = try contents()
    let seed = UInt64.random(in: 0...UInt64.max)
    var stream = CounterRandom(seed: seed).stream(.test)
    let values = [
      "0", "-1", "1.5", "1e400", "1e30", "9223372036854775807", "4611686018427387904", "1000001", "null", "[]", "\"x\"",
      "[[1]]",
    ]
    for _ in 0..<150 {
      var changed = whole
      let key = ["config", "loss"][stream.below(4) / 3]
      let text = try #require(changed.metadata[key])
      let numbers = text.matches(of: /-?[0-9][0-9.e+-]*/)
      let number = numbers[stream.below(numbers.count)]
      let value = values[stream.below(values.count)]
      changed.metadata[key] = text.replacingCharacters(in: number.range, with: value)
      let failure = try failure(changed)
      #expect(
        failure.map { $0.kind == .data } ?? (key == "loss" || text[..<number.startIndex].contains("dropout")),
        "seed \(seed): \(key) \(changed.metadata[key] ?? ""): \(failure?.description ?? "passes")")
    }
  }
}

struct NetworkTests {
  private func step(_ replica: Replica, pairs: Int, of all: Int, first: Int = 0) throws -> (
    losses: Float, logits: [Float]
  ) {
    var stream = CounterRandom(seed: 4).stream(.test)
    let (height, width, labels) = (replica.size.height, replica.size.width, replica.network.configuration.labels)
    let pixels = (0..<2 * all).map { _ in (0..<height * width * 3).map { _ in stream.uniform(-1, 1) } }
    let targets = (0..<3 * all).map { _ in (0..<labels).map { _ in stream.uniform() < 0.4 ? Float(1) : 0 } }
    let own = first..<first + pairs
    let program = try replica.training(pairs: pairs)
    program.set("images", (own.map { pixels[$0] } + own.map { pixels[all + $0] }).flatMap { $0 })
    program.set("labels", own.flatMap { targets[$0] })
    program.set("eye_labels", (own.map { targets[all + $0] } + own.map { targets[2 * all + $0] }).flatMap { $0 })
    program.set("pairs", [Float(all)])
    program.fillBytes("keys") { bytes in
      let words = bytes.bindMemory(to: UInt32.self)
      for i in 0..<pairs {
        (words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]) = (1, 0, 0, UInt32(first + i))
      }
    }
    program.run()
    return (program.scalar("loss") ?? .nan, program.output("logits")?.values ?? [])
  }

  /// Every module left out, several shapes: a step runs, is finite, and reaches every parameter.
  @Test(
    arguments: [[], [.osim], [.casfm], [.ccam], [.ciam], [.osim, .casfm, .ccam, .ciam]] as [[Configuration.Module]])
  func modulesCanBeLeftOut(_ without: [Configuration.Module]) throws {
    let replica = try Replica(small { $0.without = without }, height: 64, width: 96, threads: 2, seed: 1)
    #expect(try step(replica, pairs: 2, of: 2).losses.isFinite)
    let silent = replica.variables.parameters.filter { replica.variables.gradient($0) == nil }
    #expect(silent.isEmpty)
  }

  @Test func bitsDoNotDependOnThreads() throws {
    let found = try [1, 2, 3, 8].map { threads in
      let replica = try Replica(small(), height: 64, width: 64, threads: threads, seed: 1)
      let logits = try step(replica, pairs: 3, of: 3).logits
      return logits + replica.variables.parameters.flatMap { replica.variables.gradientTensor($0).values }
    }
    #expect(found.allSatisfy { $0 == found[0] })
  }

  /// Rebuilding block sums changes no value, only what is kept; the order of some sums may differ.
  @Test func rebuiltBlockSumsGiveTheSameGradients() throws {
    let network = try small { $0.blocks = [3, 2, 2, 1] }
    let found = try [false, true].map { recomputes in
      let replica = try Replica(network, height: 64, width: 64, threads: 2, seed: 1, recomputes: recomputes)
      let (loss, logits) = try step(replica, pairs: 2, of: 2)
      let joined = try replica.training(pairs: 2).steps.filter { $0.followers.contains("residual-sum-gradient") }
      return (
        loss, logits, replica.variables.parameters.map { replica.variables.gradientTensor($0).values }, joined.count
      )
    }
    #expect(found[0].0 == found[1].0 && found[0].1 == found[1].1)
    // What is rebuilt does not part a convolution from what follows it piece by piece.
    #expect(found[0].3 == found[1].3 && found[0].3 >= 4)
    for (kept, rebuilt) in zip(found[0].2, found[1].2) {
      let largest = kept.map(abs).max() ?? 0
      #expect(zip(kept, rebuilt).allSatisfy { abs($0 - $1) <= 1e-3 * largest + 1e-7 })
    }
  }

  /// A step allocates nothing on the thread that runs it, and that thread can be seen to allocate otherwise.
  @Test func aStepAllocatesNothing() throws {
    let replica = try Replica(small(), height: 64, width: 64, threads: 1, seed: 1)
    _ = try step(replica, pairs: 2, of: 2)
    let program = try replica.training(pairs: 2)
    let before = allocation_count()
    program.run()
    let after = allocation_count()
    #expect(after == before)
    _ = program.output("logits")
    #expect(allocation_count() > after)
  }

  @Test func aStartFollowsFromSeedAndName() throws {
    let whole = try Replica(small(), height: 64, width: 64, threads: 1, seed: 7)
    let part = try Replica(small { $0.without = [.ccam] }, height: 64, width: 64, threads: 1, seed: 7)
    for index in part.variables.list.indices where part.variables.list[index].name.hasPrefix("trunk") {
      let other = try #require(whole.variables.index(part.variables.list[index].name))
      #expect(part.variables.tensor(index) == whole.variables.tensor(other))
    }
  }
}

struct WeightsTests {
  @Test func weightsGoOutAndComeBack() throws {
    let path = NSTemporaryDirectory() + "dmsnet-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let first = try Replica(small(), height: 64, width: 64, threads: 1, seed: 1)
    let copy = try first.variables.copy()
    try Safetensors.write(first.variables.items(parameters: copy, states: copy), to: path)
    let second = try Replica(small(), height: 64, width: 64, threads: 1, seed: 2)
    let report = try second.variables.load(Safetensors(path: path))
    #expect(report.missing.isEmpty && report.unused.isEmpty)
    for index in first.variables.list.indices where first.variables.list[index].type.element == .float32 {
      #expect(first.variables.tensor(index) == second.variables.tensor(index))
    }
    let other = try Replica(small { $0.stem = 16 }, height: 64, width: 64, threads: 1, seed: 2)
    let failure = #expect(throws: Failure.self) { try other.variables.load(Safetensors(path: path)) }
    #expect(
      failure?.kind == .data
        && failure?.message.contains("tensor trunk.conv1.weight has shape [8, 3, 7, 7], the model's is [16, 3, 7, 7]")
          == true
    )
  }

  @Test func shapesThatCannotBeAreRefused() throws {
    #expect(throws: Failure.self) { try Configuration(depth: 20) }
    #expect(throws: Failure.self) { try small { $0.heads = 5 } }
    for change: (inout Configuration) -> Void in [
      { $0.stem = 0 }, { $0.stem = 1 << 40 }, { $0.width = .max }, { $0.embedding = -1 }, { $0.heads = .min },
      { $0.bins = [] }, { $0.bins = [65] }, { $0.bins = Array(repeating: 1, count: 17) }, { $0.labels = .max },
      { $0.blocks = [1, 1, 1] }, { $0.blocks = [1, 1, 1, 1001] }, { $0.dropout = .nan }, { $0.dropout = 1 },
    ] {
      let failure = #expect(throws: Failure.self) { try small(change) }
      #expect(failure?.kind == .usage)
    }
    for (height, width) in [(64, 4097), (.max, 64), (64, -1)] {
      #expect(throws: Failure.self) { try small().inference(pairs: 1, height: height, width: width) }
    }
    for pairs in [0, -1, 4097, .max] {
      #expect(throws: Failure.self) { try small().training(pairs: pairs, height: 64, width: 64) }
    }
    #expect(throws: Failure.self) { try Replica(small(), height: 32, width: 64, threads: 1, seed: 0) }
    #expect(try Configuration(depth: 101).depth == 101)
  }
}
