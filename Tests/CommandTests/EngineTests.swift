import Foundation
import Testing

/// The engine through the command line: every instruction set, the benchmarks, and the graph.
@Suite(.serialized)
struct EngineTests {
  private let fixtures = ["without-casfm", "uneven-channels"].map { name in
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
      + "/Parity/fixtures/\(name).safetensors"
  }

  /// Kernels of lower sets than the processor's agree with the reference too, by tiles and without.
  @Test(arguments: ["avx512", "avx2", "portable"], ["automatic", "direct", "winograd"])
  func everyInstructionSetAgreesWithTheReference(_ set: String, _ algorithm: String) throws {
    let environment = ["DMSNET_ISA": set, "DMSNET_CONVOLUTION": algorithm]
    let done = try Command.run(["check"] + fixtures, environment: environment)
    if done.code == 64, set != "portable" {
      print("this processor has no \(set)")
    } else {
      #expect(done.code == 0, "\(done.output)\(done.errors)")
    }
  }

  @Test func aStepIsMeasured() throws {
    let place = try Place()
    let (json, trace) = (place.path + "/step.json", place.path + "/trace.json")
    let shape = ["--depth", "18", "--size", "64", "--batch", "2", "--threads", "2", "--steps", "2", "--warmup", "1"]
    let done = try Command.run(["benchmark", "step", "--json", json, "--trace", trace] + shape)
    #expect(done.code == 0, "\(done.errors)")
    let figures = try #require(try JSONSerialization.jsonObject(with: try read(json)) as? [String: Any])
    for key in ["seconds", "pairs_per_second", "images_per_second", "mfu", "peak_gflops", "peak_rss_mib"] {
      #expect((figures[key] as? Double ?? 0) > 0, "\(key)")
    }
    #expect((figures["shares"] as? [Any])?.isEmpty == false)
    let losses = figures["losses"] as? [Double] ?? []
    #expect(losses.count == 3 && losses.allSatisfy { $0 > 0 && $0 < 3 })
    let events = try #require(try JSONSerialization.jsonObject(with: try read(trace)) as? [String: Any])
    let threads = (events["traceEvents"] as? [[String: Any]] ?? []).compactMap { $0["tid"] as? Int }
    #expect(Set(threads) == [0, 1])
  }

  @Test func kernelsAndInferenceAreMeasured() throws {
    let shape = ["--depth", "18", "--size", "64", "--batch", "1", "--steps", "1", "--warmup", "0"]
    let kernels = try Command.run(["benchmark", "kernels"] + shape)
    #expect(kernels.code == 0 && kernels.output.contains("convolution-weight-gradient"), "\(kernels.errors)")
    let inference = try Command.run(["benchmark", "inference"] + shape)
    #expect(inference.code == 0 && inference.output.contains("pairs/s"), "\(inference.errors)")
    #expect(try Command.run(["benchmark", "step", "--batch", "0"]).code == 64)
  }

  @Test func theGraphIsPrinted() throws {
    let shape = ["--depth", "18", "--size", "64", "--stem", "8", "--width", "32", "--pairs", "3"]
    let all = try Command.run(["graph", "--training"] + shape)
    #expect(all.code == 0, "\(all.errors)")
    let passes = all.output.split(separator: "\n").filter { $0.hasPrefix("# after ") }.map { String($0.dropFirst(8)) }
    #expect(passes == ["write", "differentiate", "rematerialise", "prune", "fuse", "schedule", "plan-memory"])
    #expect(all.output.contains("F32[6, 32, 32, 8] = convolution[stride: 2, padding: 3](images, trunk.conv1.weight)"))
    func again(_ arguments: [String]) throws -> Int {
      let done = try Command.run(["graph", "--pass", "rematerialise"] + arguments + shape)
      return done.output.split(separator: "\n").filter { $0.contains(".again") }.count
    }
    #expect(try again(["--recompute"]) > again([]) && again([]) > 0)
    let picture = try Command.run(["graph", "--inference", "--pass", "fold-constants", "--dot"] + shape)
    #expect(picture.code == 0 && picture.output.hasPrefix("digraph \"fold-constants\" {\n"), "\(picture.errors)")
    for wrong in [
      ["--pass", "fold-constants"], ["--pass", "bake"], ["--depth", "19"], ["--size", "63"], ["--pairs", "0"],
      ["--stem", "0"], ["--width", "3"],
    ] {
      let done = try Command.run(["graph"] + wrong)
      #expect(done.code == 64 && done.output.isEmpty, "\(wrong): \(done.code) \(done.errors)")
    }
  }

  private func read(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }
}
