import Foundation
import Training

/// What rank 0's machine shows.
enum MachineFindings {
  static var all: [Finding] {
    let pages =
      (try? String(contentsOfFile: "/sys/kernel/mm/transparent_hugepage/enabled", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
    return [
      processor,
      Finding(key: "instruction_set", value: Library.instructionSet, cure: nil), blas,
      Finding(
        key: "huge_pages", value: pages,
        cure: pages.contains("[never]") ? "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root)" : nil),
      memory,
    ]
  }

  private static var processor: Finding {
    let (allowed, cores) = (Machine.processors.count, Machine.cores.count)
    let quota = Machine.processorQuota.flatMap { $0 < Double(allowed) ? $0 : nil }
    return Finding(
      key: "processor",
      value: "\(Environment.processor), \(allowed) allowed on \(cores) \(cores == 1 ? "core" : "cores")"
        + (quota.map { ", a quota of \(String(format: "%.1f", $0))" } ?? ""),
      cure: quota.map {
        "a control group leaves \(String(format: "%.1f", $0)) processors' time: no more threads than that, or a larger limit of CPU"
      })
  }

  private static var blas: Finding {
    let best = Processor.candidates.first ?? Library.kernel
    let speed = Library.measuredSpeed { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
    let chosen = ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"]
    return Finding(
      key: "blas",
      value: "\(Library.blas); best for this processor \(best); \(String(format: "%.0f", speed)) GFLOP/s on one thread"
        + (chosen.map { "; OPENBLAS_CORETYPE=\($0)" } ?? ""),
      cure: Library.isRight ? nil : "its products are wrong: set OPENBLAS_CORETYPE to another kernel")
  }

  private static var memory: Finding {
    let memory = Machine.memory
    let available = min(memory.available, memory.limit.map { $0 - memory.used } ?? .max)
    return Finding(
      key: "memory",
      value: "\(memory.total) MiB, \(available) MiB available"
        + (memory.limit.map { " (a control group's limit of \($0) MiB)" } ?? ""),
      cure: available < 2048
        ? "less than 2 GiB are free: fewer ranks a host, a smaller --micro-batch"
          + (memory.limit == nil ? "" : ", or more memory for the job") : nil)
  }
}

/// What the file system of a run's folder can do.
enum FileSystemFinding {
  /// Tries locks and links in `folder`, and leaves nothing there.
  static func of(_ folder: String) throws -> Finding {
    let base = "\(folder)/.dmsnet-doctor-\(getpid())"
    let file = open(base, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw Failure.system("write", folder, kind: .output) }
    defer {
      close(file)
      unlink(base)
    }
    var missing: [String] = []
    if flock(file, LOCK_EX | LOCK_NB) != 0 { missing.append("locks: see yourself that two runs never share a folder") }
    if symlink("target", base + "-link") == 0 {
      unlink(base + "-link")
    } else {
      missing.append("symbolic links: checkpoints/last and best stay away, runs go on without them")
    }
    return Finding(
      key: "output", value: folder + (missing.isEmpty ? ": locks and links work" : ": its file system lacks something"),
      cure: missing.isEmpty ? nil : "it has no \(missing.joined(separator: "; no "))")
  }
}
