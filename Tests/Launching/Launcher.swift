import Foundation

/// The launcher of the MPI library that the program was built with, as tests call it.
public enum Launcher {
  /// By the variable that `Package.swift` reads.
  private static let isMPICH = ProcessInfo.processInfo.environment["DMSNET_MPI"] == "mpich"
  private static let name = isMPICH ? "mpiexec.hydra" : "mpirun"

  /// Whether it is installed.
  public static let isInstalled = ["/usr/bin", "/usr/local/bin"].contains {
    FileManager.default.isExecutableFile(atPath: "\($0)/\(name)")
  }

  /// The words before a program that is to run on `ranks` ranks, on however few cores.
  public static func words(ranks: Int) -> [String] {
    let options = isMPICH ? [] : ["-q", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
    return [name] + options + ["-n", "\(ranks)"]
  }

  /// The words that give ranks a variable.
  public static func words(variable: String, _ value: String) -> [String] {
    isMPICH ? ["-env", variable, value] : ["-x", "\(variable)=\(value)"]
  }

  /// Whether ranks have the time to tell which of them they lost, and the end is with their code. Hydra kills the others at once where
  /// one dies, and ends with the signal's number.
  public static let isPatient = !isMPICH

  /// The variable that tells a process its rank.
  public static let rankVariable = isMPICH ? "PMI_RANK" : "OMPI_COMM_WORLD_RANK"
}
