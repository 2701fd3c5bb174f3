import Communication
import Foundation
import Launching
import Testing

/// Programs are built beside the tests.
private let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path

/// Runs the `ranks` program; nil ranks: without a launcher.
private func ranks(_ count: Int?, _ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = (count.map { Launcher.words(ranks: $0) } ?? []) + ["\(products)/ranks"] + arguments
  let pipe = Pipe()
  process.standardOutput = pipe
  let log = NSTemporaryDirectory() + "dmsnet-\(UUID().uuidString).log"
  try Data().write(to: URL(fileURLWithPath: log))
  defer { try? FileManager.default.removeItem(atPath: log) }
  process.standardError = FileHandle(forWritingAtPath: log)
  try process.run()
  let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  return (process.terminationStatus, output, try String(contentsOfFile: log, encoding: .utf8))
}

/// Whether a job ended as one whose ranks give up with 1; Hydra may say 9 instead, since it kills the others.
private func isFailure(_ code: Int32) -> Bool { code == 1 || !Launcher.isPatient && code == 9 }

@Suite(.serialized)
struct CommunicatorTests {
  @Test func aSingleProcessConforms() throws {
    let result = try ranks(nil)
    #expect(result.output == "conforms\n" && result.code == 0)
    #expect(try ranks(nil, "size").output == "1\n")
  }

  @Test(arguments: [1, 2, 3, 5])
  func threadsConform(_ count: Int) throws {
    let result = try ranks(nil, "threads", "\(count)")
    #expect(result.output == "conforms\n" && result.code == 0)
  }

  @Test(.enabled(if: Launcher.isInstalled, "mpirun is not installed"), arguments: [1, 2, 3, 5])
  func mpiConforms(_ count: Int) throws {
    let result = try ranks(count)
    #expect(result.output == "conforms\n" && result.code == 0)
    #expect(try ranks(count, "size").output == "\(count)\n")
  }

  /// One rank's error ends the job: the others, which would wait for ever, end too, and the code is that rank's.
  @Test(.enabled(if: Launcher.isInstalled, "mpirun is not installed"))
  func oneRankEndsTheJob() throws {
    #expect(try ranks(3, "abort").code == 65)
  }

  /// A rank that leaves a bucket out waits where nobody comes, as the others do: the watch tells them apart. It spoils no sum.
  @Test(.enabled(if: Launcher.isInstalled, "mpirun is not installed"), arguments: [3, 4])
  func theRankThatLeftABucketOutIsNamed(_ count: Int) throws {
    let result = try ranks(count, "leave-out")
    let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("dmsnet: error:") }
    #expect(isFailure(result.code) && lines.count == 1, "\(result)")
    #expect(lines.first?.contains("[rank \(count - 1) of \(count) on ") == true, "\(result)")
    #expect(lines.first?.contains("waits in reduce-scatter of gradients, bucket 3 (collective ") == true, "\(result)")
    #expect(lines.first?.contains("the others wait in reduce-scatter of gradients, bucket 2 (collective ") == true)
  }

  /// Of two no one can say which is right.
  @Test(.enabled(if: Launcher.isInstalled, "mpirun is not installed"))
  func ofTwoRanksThatWaitApartBothAreNamed() throws {
    let result = try ranks(2, "leave-out")
    #expect(isFailure(result.code), "\(result)")
    for line in ["[rank 0 of 2 on ", "[rank 1 of 2 on ", "bucket 2 (collective ", "bucket 3 (collective "] {
      #expect(result.errors.contains(line), "\(result)")
    }
  }

  /// Ranks that compare what they are about to do find it at once, and say both.
  @Test(.enabled(if: Launcher.isInstalled, "mpirun is not installed"))
  func comparingCollectivesFindsTheDifferenceAtOnce() throws {
    let result = try ranks(3, "leave-out", "verify")
    #expect(isFailure(result.code), "\(result)")
    let difference =
      #/ranks do not do the same: ranks 0 and 1 come to collective (\d+), reduce-scatter of gradients, bucket 2 \(size 4096\); rank 2 comes to collective (\d+), reduce-scatter of gradients, bucket 3/#
    let match = try #require(result.output.firstMatch(of: difference), "\(result)")
    #expect(match.1 == match.2)
  }
}

struct BucketsTests {
  /// Buckets cover the array in order, are cut where tensors begin, and stay within their capacity where tensors do.
  @Test(arguments: UInt64(0)..<20)
  func bucketsCoverAllGradients(_ seed: UInt64) {
    var stream = CounterRandom(seed: seed).stream(.test)
    var tensors: [Range<Int>] = []
    var end = 0
    for _ in 0..<1 + stream.below(40) {
      let count = 1 + stream.below(500)
      tensors.append(end..<end + count)
      end += (count + 15) / 16 * 16
    }
    let capacity = 4 * (200 + stream.below(1000))
    let ranges = Buckets(count: end, tensors: tensors, capacity: capacity).ranges
    #expect(ranges.first?.lowerBound == 0 && ranges.last?.upperBound == end, "seed \(seed)")
    for (a, b) in zip(ranges, ranges.dropFirst()) {
      #expect(a.upperBound == b.lowerBound && tensors.contains { $0.lowerBound == b.lowerBound }, "seed \(seed)")
    }
    for range in ranges {
      let inside = tensors.count { range.contains($0.lowerBound) }
      #expect(inside == 1 || range.count * 4 <= capacity + 64, "seed \(seed): \(range)")
    }
  }
}

struct ChecksumTests {
  @Test func everyByteAndItsPlaceCount() {
    func hash(_ bytes: [UInt8]) -> UInt64 {
      var checksum = Checksum()
      bytes.withUnsafeBytes { checksum.add($0) }
      return checksum.value
    }
    let bytes = (0..<200).map { UInt8($0) }
    var seen: Set<UInt64> = [hash(bytes), hash([]), hash(Array(bytes.dropLast())), hash(bytes.reversed())]
    for place in bytes.indices {
      var changed = bytes
      changed[place] ^= 1
      seen.insert(hash(changed))
    }
    #expect(seen.count == 204)
  }
}
