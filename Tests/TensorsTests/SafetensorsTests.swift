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
    header(#"{"x":{"dtype":"F64","shape":[9007199254740992,1024],"data_offsets":[0,0]}}"#),
    header(#"{"x":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}}"#),
    header(#"{"x":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#, data: 4),
    header(#"{"x":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}"#, data: 4),
    header(#"{"x":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}"#, data: 4),
    header(#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}}"#, data: 4),
    header(#"{"x":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, data: 4),
    header(#"{"__metadata__":{"a":1}}"#), header(#"{"__metadata__":{"a":"1","a":"2"}}"#), header("{} {}"),
    header(#"{"\ud83d":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#, data: 4), header(#"{"x"#), header(#"{"\"#),
    header(String(repeating: #"{"a":"#, count: 100_000)), header(String(repeating: "[", count: 100_000)),
    // The same name twice, an overlap, a hole before, between and after tensors.
    header(pair("x", "x", 0..<4, 4..<8), data: 8), header(pair("x", "y", 0..<4, 0..<4), data: 4),
    header(pair("x", "y", 4..<8, 8..<12), data: 12), header(pair("x", "y", 0..<4, 8..<12), data: 12),
    header(pair("x", "y", 0..<4, 4..<8), data: 9),
  ])
  func damagedFilesAreRefused(_ data: Data) throws {
    let folder = try Folder()
    let path = folder.path + "/bad.safetensors"
    try data.write(to: URL(fileURLWithPath: path))
    let failure = #expect(throws: Failure.self) { try Safetensors(path: path) }
    #expect(failure?.kind == .data)
    #expect(failure?.message.hasPrefix(path) == true)
  }

  private static func header(_ json: String, data: Int = 0) -> Data {
    Data((0..<8).map { UInt8(truncatingIfNeeded: json.utf8.count >> (8 * $0)) } + Array(json.utf8)) + Data(count: data)
  }

  private static func pair(_ first: String, _ second: String, _ a: Range<Int>, _ b: Range<Int>) -> String {
    let fields = [(first, a), (second, b)].map { name, bytes in
      #""\#(name)":{"dtype":"F32","shape":[1],"data_offsets":[\#(bytes.lowerBound),\#(bytes.upperBound)]}"#
    }
    return "{\(fields.joined(separator: ","))}"
  }

  @Test func namesAreReadAsJSONWritesThem() throws {
    let folder = try Folder()
    let path = folder.path + "/names.safetensors"
    let json =
      #" {"a\"\\\/\u00e9\ud83d\ude00眼" : {"dtype":"U8", "shape":[2, 0,3],"data_offsets":[0,0]}, "__metadata__":{"k":"\n"}} "#
    try Self.header(json).write(to: URL(fileURLWithPath: path))
    let file = try Safetensors(path: path)
    #expect(file.names == ["a\"\\/é😀眼"] && file.metadata == ["k": "\n"])
    #expect(try file.tensor(file.names[0]).values.isEmpty)
  }

  @Test(arguments: [
    (Data([0x50, 0x4B, 3, 4]) + Data(count: 100), "PyTorch file"),
    (Data([0x80, 2]) + Data(count: 100), "PyTorch file"),
    (Data("version https://git-lfs.github.com/spec/v1\noid sha256:0".utf8), "Git LFS pointer"),
  ])
  func otherFormatsAreNamed(_ data: Data, _ name: String) throws {
    let folder = try Folder()
    let path = folder.path + "/weights.pth"
    try data.write(to: URL(fileURLWithPath: path))
    let failure = #expect(throws: Failure.self) { try Safetensors(path: path) }
    #expect(failure?.kind == .data && failure?.message.contains(name) == true && failure?.hint != nil)
  }

  /// Whatever bytes change, a file is read or refused.
  @Test func mutatedFilesAreReadOrRefused() throws {
    let folder = try Folder()
    let path = folder.path + "/m.safetensors"
    try Safetensors.write(
      [Safetensors.Item("weight", Tensor([2, 3], repeating: 1)), Safetensors.Item("bias", Tensor([3], repeating: 2))],
      metadata: ["format": "pt"], to: path)
    let whole = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    let seed = UInt64.random(in: 0...UInt64.max)
    var stream = CounterRandom(seed: seed).stream(.test)
    let pieces = ["-1", "1e9", "9223372036854775807", "[", "]", "{", "}", "\"", ",", "null", "\\u", "\u{0}", "é"].map {
      Array($0.utf8)
    }
    var refused = 0
    for _ in 0..<500 {
      var bytes = whole
      for _ in 0...stream.below(3) {
        let place = stream.below(bytes.count)
        switch stream.below(4) {
        case 0: bytes[place] = UInt8(stream.below(256))
        case 1: bytes.removeSubrange(place..<min(bytes.count, place + 1 + stream.below(8)))
        case 2: bytes.insert(contentsOf: pieces[stream.below(pieces.count)], at: place)
        default: bytes.removeLast(min(bytes.count - 1, stream.below(60)))
        }
      }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      do {
        let file = try Safetensors(path: path)
        for name in file.names { _ = try file.tensor(name) }
      } catch let failure as Failure {
        #expect(failure.kind == .data, "seed \(seed): \(failure)")
        refused += 1
      }
    }
    #expect(refused > 100, "seed \(seed)")
  }
}
