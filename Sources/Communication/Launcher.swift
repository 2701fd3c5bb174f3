import Foundation

/// What started this process, as far as its environment tells.
struct Launcher {
  /// For people: "Open MPI's mpirun".
  private let name: String
  /// How many processes it started, and which of them this is.
  private let size, rank: Int

  /// Nil where no launcher shows.
  init?(_ environment: [String: String]) {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    // Within Slurm, mpirun starts its ranks through srun or beside it: what stands nearest to the ranks counts.
    if let size = number("OMPI_COMM_WORLD_SIZE") {
      (name, self.size, rank) = ("Open MPI's mpirun", size, number("OMPI_COMM_WORLD_RANK") ?? 0)
    } else if environment["MPI_LOCALNRANKS"] != nil, let size = number("PMI_SIZE") {
      (name, self.size, rank) = ("Hydra, the mpiexec of MPICH and Intel MPI,", size, number("PMI_RANK") ?? 0)
    } else if let size = number("SLURM_STEP_NUM_TASKS"), let place = number("SLURM_PROCID") {
      (name, self.size, rank) = ("srun", size, place)
    } else {
      return nil
    }
  }

  /// Refuses srun's PMI-2 where Open MPI has no component for it: its initialisation would end the process in thirty lines of its own.
  func requireInterface(_ environment: [String: String], library: String) throws {
    guard name == "srun", size > 1, library.hasPrefix("Open MPI"), environment["PMIX_RANK"] == nil,
      let components = Self.openMPIComponents, !components.isEmpty
    else { return }
    let isKnown = components.contains { name in ["_s1.", "_s2.", "_cray."].contains { name.contains($0) } }
    try isKnown && environment["PMI_RANK"] != nil ? () : require(ranks: 1, library: library)
  }

  /// Open MPI's components of process management, beside its library.
  private static var openMPIComponents: [String]? {
    // In one go Foundation reads the first page only, for the system names no size.
    let bytes = try? FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd()
    let maps = String(decoding: bytes ?? Data(), as: UTF8.self)
    guard let line = maps.split(separator: "\n").first(where: { $0.contains("/libmpi.so") }),
      let slash = line.firstIndex(of: "/")
    else { return nil }
    let folder = URL(fileURLWithPath: String(line[slash...])).resolvingSymlinksInPath().deletingLastPathComponent().path
    let places = ["openmpi", "openmpi3", "openmpi/lib/openmpi3"].map { "\(folder)/\($0)" }
    let found = places.flatMap { (try? FileManager.default.contentsOfDirectory(atPath: $0)) ?? [] }
    return found.filter { $0.hasPrefix("mca_pmix_") }
  }

  /// Refuses a job in which MPI knows of other ranks than the launcher does. One process of the job speaks.
  func require(ranks: Int, library: String) throws {
    guard size > 1, ranks != size else { return }
    guard rank == 0 else {
      // A launcher ends all when one ends: the one that speaks comes first.
      usleep(2_000_000)
      exit(Failure.Kind.usage.rawValue)
    }
    let isOpenMPI = library.hasPrefix("Open MPI")
    let cure =
      name == "srun"
      ? "srun --mpi=\(isOpenMPI ? "pmix" : "pmi2") (srun --mpi=list names what this Slurm has), or mpirun within the allocation"
      : "take the \(isOpenMPI ? "mpirun of Open MPI" : "mpiexec of that library"); launch/train finds the one that fits"
    throw Failure(
      .usage,
      "\(name) started \(size) processes, but MPI (\(library)) says rank 0 of \(ranks): each would train alone",
      hint: cure)
  }
}
