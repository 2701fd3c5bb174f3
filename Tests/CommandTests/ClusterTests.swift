import Foundation
import Testing

/// The trials of `Tests/Cluster`: several hosts, Slurm, MPICH, containers. They say themselves where this machine cannot do them.
@Suite(
  .serialized,
  .enabled(
    if: ProcessInfo.processInfo.environment["DMSNET_CLUSTER_TESTS"] != nil,
    "DMSNET_CLUSTER_TESTS=1 runs hosts out of namespaces, Slurm, MPICH and containers (as root, some minutes)"))
struct ClusterTests {
  private static let folder =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Cluster"

  @Test(arguments: [
    ["several-hosts"], ["lost-hosts"], ["lost-ranks"], ["stalled-ranks"], ["stop-signals"], ["slurm-launchers"],
    ["slurm-events", "srun"], ["slurm-events", "mpirun"], ["pbs"], ["mpich"], ["containers"],
  ])
  func aTrialEndsAsItShould(_ trial: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(Self.folder)/\(trial[0])")
    process.arguments = Array(trial.dropFirst())
    process.environment = ProcessInfo.processInfo.environment.merging(["DMSNET_PROGRAM": "\(products)/dmsnet"]) { $1 }
    process.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    (process.standardOutput, process.standardError) = (pipe, pipe)
    try process.run()
    let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    print("\(trial.joined(separator: " ")):\n\(said)")
    #expect([0, 77].contains(process.terminationStatus), "\(said)")
  }
}
