import Foundation
import Fundus

/// A folder that goes with the test.
final class Folder: Sendable {
  let path = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }
}

/// The real pairs, where `DMSNET_TEST_DATA` names a folder that has them.
let odir: String? = ProcessInfo.processInfo.environment["DMSNET_TEST_DATA"].map { $0 + "/odir" }
  .flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }

/// A picture whose pixels tell their place.
func gradient(_ width: Int, _ height: Int) -> Photograph {
  var pixels: [UInt8] = []
  for y in 0..<height {
    for x in 0..<width {
      let red = 40 + x * 200 / width
      let green = 40 + y * 200 / height
      pixels += [UInt8(red), UInt8(green), 90]
    }
  }
  return Photograph(width: width, height: height, pixels: pixels)
}

/// A small ODIR folder of drawn pictures.
func synthesized(_ folder: Folder, patients: Int, format: Synthesis.Format = .csv, seed: UInt64 = 1) throws -> Dataset {
  let path = folder.path + "/data-\(format.rawValue)"
  try Synthesis(patients: patients, seed: seed, size: 48, difficulty: 0, labelNoise: 0, format: format).write(
    to: path, threads: 2)
  return try Dataset(Dataset.Source(folder: path))
}
