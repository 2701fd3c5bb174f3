import ArgumentParser
import Foundation
import Training

/// What this machine and MPI look like, with a verdict and a cure for each.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "What this machine and MPI look like, and the cure.")

  @Option(help: "Threads a rank is meant to run.") var threads = 1
  @Flag(help: "Print JSON.") var json = false

  private struct Finding {
    let key, value: String
    /// nil where all is well.
    let cure: String?
  }

  func run() throws {
    try require(threads, in: Limits.threads, "--threads")
    let communicator = try Job.communicator()
    let affinity = Self.processors
    let places = try communicator.allGather(
      Data("\(communicator.host) \(affinity.map(String.init).joined(separator: ","))".utf8)
    )
    .map { String(decoding: $0, as: UTF8.self) }
    guard communicator.rank == 0 else { return }
    let findings = job(communicator, places) + machine(affinity)
    if json {
      let object = Dictionary(
        uniqueKeysWithValues: findings.map { finding in
          (
            finding.key,
            ["value": finding.value, "ok": finding.cure == nil, "cure": finding.cure.map { $0 as Any } ?? NSNull()]
              as [String: Any]
          )
        })
      try StandardOutput.print(String(decoding: try Training.json(object, indented: true), as: UTF8.self))
      return
    }
    for finding in findings {
      let name = finding.key.replacingOccurrences(of: "_", with: " ")
      try StandardOutput.print(
        "\(finding.cure == nil ? "ok  " : "LOOK") \(name)\(String(repeating: " ", count: max(1, 18 - name.count)))\(finding.value)"
      )
      if let cure = finding.cure { try StandardOutput.print("     cure: \(cure)") }
    }
  }

  private func job(_ communicator: any Communicator, _ places: [String]) -> [Finding] {
    let hosts = Dictionary(grouping: places) { $0.split(separator: " ").first.map(String.init) ?? "" }
    let perHost = hosts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.count)" }.joined(separator: ", ")
    let sets = hosts.values.flatMap { places in places.map { $0.split(separator: " ").last.map(String.init) ?? "" } }
    let isShared = communicator.size > 1 && hosts.values.contains { Set($0).count < $0.count }
    let narrow = places.contains { ($0.split(separator: " ").last?.split(separator: ",").count ?? 0) < threads }
    return [
      Finding(
        key: "mpi", value: communicator.library,
        cure: communicator.library == "none"
          ? "started without a launcher, so as one rank: use mpirun or srun for more" : nil),
      Finding(key: "ranks", value: "\(communicator.size) (\(perHost))", cure: nil),
      Finding(
        key: "binding",
        value: sets.enumerated().map { "rank \($0.offset): processors \($0.element)" }.joined(separator: "; "),
        cure: isShared ? "ranks share processors: mpirun --map-by slot:PE=\(threads) --bind-to core" : nil),
      Finding(
        key: "threads", value: "\(threads) a rank",
        cure: narrow
          ? "fewer processors than threads are allowed to a rank: --map-by slot:PE=\(threads), or fewer --threads" : nil
      ),
    ]
  }

  private func machine(_ affinity: [Int]) -> [Finding] {
    let kernel = Library.kernel
    let best = Processor.candidates.first ?? kernel
    let speed = Library.measuredSpeed { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
    let chosen = ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"]
    let pages =
      (try? String(contentsOfFile: "/sys/kernel/mm/transparent_hugepage/enabled", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
    let memory = Self.memory
    return [
      Finding(key: "processor", value: "\(Environment.processor), \(affinity.count) allowed", cure: nil),
      Finding(key: "instruction_set", value: Library.instructionSet, cure: nil),
      Finding(
        key: "blas",
        value:
          "\(Library.blas); best for this processor \(best); \(String(format: "%.0f", speed)) GFLOP/s on one thread"
          + (chosen.map { "; OPENBLAS_CORETYPE=\($0)" } ?? ""),
        cure: Library.isRight ? nil : "its products are wrong: set OPENBLAS_CORETYPE to another kernel"),
      Finding(
        key: "huge_pages", value: pages,
        cure: pages.contains("[never]") ? "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root)" : nil),
      Finding(
        key: "memory", value: "\(memory.total) MiB, \(memory.available) MiB available",
        cure: memory.available < 2048 ? "less than 2 GiB are free: fewer ranks a host, or a smaller --batch" : nil),
    ]
  }

  /// The processors this process may run on.
  static var processors: [Int] {
    let lines = ((try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? "").split(separator: "\n")
    let list = lines.first { $0.hasPrefix("Cpus_allowed_list:") }?.split(separator: "\t").last ?? ""
    return list.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last else { return [] }
      return Array(first...last)
    }
  }

  /// MiB of memory.
  private static var memory: (total: Int, available: Int) {
    let lines = ((try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? "").split(separator: "\n")
    func value(_ name: String) -> Int {
      lines.first { $0.hasPrefix(name) }?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 / 1024 }
        ?? 0
    }
    return (value("MemTotal:"), value("MemAvailable:"))
  }
}
