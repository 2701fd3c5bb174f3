import Foundation
import Training

/// The match between this processor and the kernels OpenBLAS runs on it.
///
/// OpenBLAS releases older than a processor may take it for a much older one. The choice is made when the library is loaded,
/// so mending it means naming the kernel in the environment and starting this program again in the same process.
enum Processor {
  /// The kernels worth running on this processor, best first. Named as OPENBLAS_CORETYPE takes them.
  static var candidates: [String] {
    let flags = Set(
      ((try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? "").split(separator: "\n")
        .first { $0.hasPrefix("flags") }?.split(separator: " ").map(String.init) ?? [])
    var result: [String] = []
    if flags.isSuperset(of: ["avx512f", "avx512dq", "avx512bw", "avx512vl"]) { result.append("SkylakeX") }
    if flags.isSuperset(of: ["avx2", "fma"]) { result.append("Haswell") }
    return result
  }

  /// Kernels that use what the processors of `candidates` have.
  private static let adequate: [String: Set<String>] = [
    "SkylakeX": ["SkylakeX", "Cooperlake", "Sapphirerapids", "SapphireRapids", "Zen"],
    "Haswell": ["Haswell", "Zen", "Excavator", "SkylakeX", "Cooperlake", "Sapphirerapids", "SapphireRapids"],
  ]

  private static let choice = "OPENBLAS_CORETYPE"
  /// What has been tried: names of kernels, and first the one that OpenBLAS had chosen.
  private static let trail = "DMSNET_BLAS_TRIED"

  /// Names a better kernel and starts again where OpenBLAS's is not worth this processor, or is wrong on it. A kernel that the
  /// user named is left alone.
  ///
  /// Signals that ask to stop wait until it is settled that this process image stays.
  static func mend() {
    defer { Signals.admit() }
    let environment = ProcessInfo.processInfo.environment
    let tried = environment[trail].map { $0.split(separator: ",").map(String.init) } ?? []
    if tried.isEmpty, environment[choice] != nil { return }
    let isAdequate = candidates.first.map { adequate[$0]?.contains(Library.kernel) ?? true } ?? true
    if tried.isEmpty ? isAdequate : tried.count == 1 { return }
    if !tried.isEmpty, Library.isRight {
      if ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"].allSatisfy({ environment[$0] ?? "0" == "0" }) {
        say("OpenBLAS took this processor for \(tried[0]); its kernel \(Library.kernel) is used instead")
      }
      return
    }
    let attempts = tried.isEmpty ? [Library.kernel] : tried
    if let next = candidates.first(where: { !attempts.contains($0) }) {
      setenv(choice, next, 1)
      setenv(trail, (attempts + [next]).joined(separator: ","), 1)
    } else {
      // Nothing better is right: back to OpenBLAS's own choice.
      unsetenv(choice)
      setenv(trail, "\(attempts[0]),", 1)
    }
    let arguments = CommandLine.arguments.map { strdup($0) } + [nil]
    execv(ProgramFile.path, arguments)
  }

  private static func say(_ line: String) { StandardError.say("dmsnet: \(line)") }
}
