import Foundation
import Testing

/// The cores that processes take for themselves, and what `train` says where there are too few.
@Suite(.serialized)
struct CoresTests {
  private func processors(of process: Process) throws -> Set<String> {
    let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") })
    return Set([String(line.split(separator: "\t").last ?? "")])
  }

  /// Processes side by side, of no common launcher, keep to different cores; one that finds none left is not bound.
  @Test func processesSideBySideTakeDifferentCores() throws {
    let place = try Place()
    let data = try place.data()
    let cores = Set(
      try (0..<ProcessInfo.processInfo.processorCount).map {
        try String(
          contentsOfFile: "/sys/devices/system/cpu/cpu\($0)/topology/thread_siblings_list", encoding: .utf8)
      }
    ).count
    guard cores == ProcessInfo.processInfo.processorCount else { return }
    // Network namespaces are apart: nobody else's runs count here.
    let all = try (0...cores).map { index in
      let process = try Command.start(
        ["train", "--data", data, "--output", "\(place.path)/run-\(index)", "--epochs", "9999"] + tiny,
        environment: ["DMSNET_CORES": "1"])
      while place.steps("run-\(index)") < 1 && process.isRunning { usleep(2000) }
      return process
    }
    defer { all.forEach { $0.terminate() } }
    let bound = try all.map(processors).filter { $0.allSatisfy { Int($0) != nil } }
    // Other runs of this machine may have taken some.
    #expect(Set(bound).count == bound.count && (cores == 1 || bound.count <= cores), "\(bound)")
    #expect(try processors(of: all[cores]).allSatisfy { cores == 1 || Int($0) == nil })
  }

  @Test func moreThreadsThanProcessorsAreSaid() throws {
    let place = try Place()
    let data = try place.data()
    let train = ["train", "--data", data, "--epochs", "1"] + tiny
    let few = try Command.run(train + ["--output", "\(place.path)/few", "--threads", "1"])
    #expect(few.code == 0 && !few.errors.contains("fewer run faster"), "\(few.errors)")
    let many = try Command.run(train + ["--output", "\(place.path)/many", "--threads", "65"])
    #expect(
      many.errors.contains("1 rank with 65 threads in all may use ") && place.text("many/log.txt").contains("fewer run")
    )
  }
}
