import Foundation
import Tensors
import Testing

/// A folder that goes with the test.
final class Folder {
  let path = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

struct SafetensorsTests {
  @Test func whatIsWrittenIsRead() throws {
    let folder = try Folder()
    let path = folder.path + "/a.safetensors"
    let tensor = Tensor([2, 3], [1, -2, 3.5, 0, .leastNonzeroMagnitude, 1e30])
    try Safetensors.write(
      [
        Safetensors.Item("x", tensor),
        Safetensors.Item("count", TensorType([], .int64)) { withUnsafeBytes(of: Int64(7)) { Data($0) } },
      ], metadata: ["format": "pt"], to: path)
    let file = try Safetensors(path: path)
    #expect(try file.tensor("x") == tensor)
    #expect(try file.tensor("count").values == [7])
    #expect(file.metadata == ["format": "pt"])
  }

  @Test func halfPrecisionConverts() throws {
    let folder = try Folder()
    let path = folder.path + "/h.safetensors"
    let halves: [UInt16] = [0x3C00, 0xC000, 0x0001, 0x7BFF, 0x8000, 0x7C00]
    let brains: [UInt16] = [0x3F80, 0xC000, 0x0000, 0x7F7F]
    try Safetensors.write(
      [
        Safetensors.Item("half", TensorType([6], .float16)) { halves.withUnsafeBytes { Data($0) } },
        Safetensors.Item("brain", TensorType([4], .bfloat16)) { brains.withUnsafeBytes { Data($0) } },
      ], to: path)
    let file = try Safetensors(path: path)
    #expect(try file.tensor("half").values == [1, -2, 0x1p-24, 65504, -0.0, .infinity])
    #expect(try file.tensor("brain").values == [1, -2, 0, Float(bitPattern: 0x7F7F_0000)])
  }

  /// Damaged files of every kind: one line that names the file, never a crash.
  @Test(arguments: [
    Data(), Data([1, 2, 3]), Data([255, 255, 255, 255, 255, 255, 255, 255, 1]),
    Data([2, 0, 0, 0, 0, 0, 0, 0] + "{}".utf8.prefix(1)), Data([4, 0, 0, 0, 0, 0, 0, 0] + "nope".utf8),
    header(#"{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#),
    header(#"{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}"#),
    header(#"{"x":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,0]}}"#),
    header(#"{"x":{"dtype":"Q7","shape":[1],"data_offsets":[0,4]}}"#),
    header(#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#), header(#"{"x":[1]}"#),
  ])
  func damagedFilesAreRefused(_ data: Data) throws {
    let folder = try Folder()
    let path = folder.path + "/bad.safetensors"
    try data.write(to: URL(fileURLWithPath: path))
    let failure = #expect(throws: Failure.self) { try Safetensors(path: path) }
    #expect(failure?.kind == .data)
    #expect(failure?.message.hasPrefix(path) == true)
  }

  private static func header(_ json: String) -> Data {
    Data((0..<8).map { UInt8(truncatingIfNeeded: json.utf8.count >> (8 * $0)) } + Array(json.utf8))
  }
}

struct CounterRandomTests {
  /// The known answers of the Philox paper's own distribution (Random123, kat_vectors).
  @Test func philoxGivesItsKnownAnswers() {
    #expect(
      CounterRandom(seed: 0).words(SIMD4(0, 0, 0, 0)) == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
    let ones = SIMD4<UInt32>(repeating: .max)
    #expect(CounterRandom(seed: .max).words(ones) == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
  }

  @Test func drawsAreUniformAndIndependentOfOrder() {
    let random = CounterRandom(seed: 5)
    var first = random.stream(.test, 1)
    let again = random.stream(.test, 1)
    var copy = again
    #expect((0..<10).map { _ in first.below(1000) } == (0..<10).map { _ in copy.below(1000) })
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[first.below(7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
    #expect(Set(first.shuffled(Array(0..<100))) == Set(0..<100))
  }
}

struct TensorTests {
  @Test func transpositionFollowsItsDefinition() {
    let x = Tensor([2, 3, 4], (0..<24).map(Float.init))
    let y = x.transposed([2, 0, 1])
    #expect(y.shape == [4, 2, 3])
    for flat in 0..<24 {
      let (i, j, k) = (flat / 12, flat / 4 % 3, flat % 4)
      let found = y.values[(k * 2 + i) * 3 + j]
      #expect(found == x.values[flat])
    }
  }
}

struct ThreadTeamTests {
  private final class Count: TeamWork, @unchecked Sendable {
    // Unchecked: each thread writes its own slots, and threads meet at the barrier in between.
    var seen: [[Int]]
    let base: UnsafeMutablePointer<Int>
    init(_ threads: Int) {
      seen = []
      base = .allocate(capacity: threads)
      base.initialize(repeating: 0, count: threads)
    }
    deinit { base.deallocate() }
    func run(thread: Int, team: ThreadTeam) {
      for round in 1...50 {
        base[thread] = round
        team.barrier()
        for other in 0..<team.count where base[other] != round { base[thread] = -1_000_000 }
        team.barrier()
      }
    }
  }

  @Test(arguments: [1, 2, 3, 8])
  func threadsMeetAtBarriers(_ threads: Int) throws {
    let team = try ThreadTeam(count: threads)
    let work = Count(threads)
    for _ in 0..<5 { team.run(work) }
    #expect((0..<threads).allSatisfy { work.base[$0] == 50 })
  }
}
