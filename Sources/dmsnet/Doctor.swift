import ArgumentParser
import Foundation
import Training

/// What this machine and MPI look like, with a verdict and a cure for each.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "What this machine and MPI look like, and the cure.")

  @Option(help: "Threads a rank is meant to run.") var threads = 1
  @Option(help: "A folder whose file system runs are to be written to.") var output: String?
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    try require(threads, in: Limits.threads, "--threads")
    let communicator = try Job.communicator()
    let places = try communicator.allGather(JSONEncoder().encode(RankPlace(communicator, threads: threads)))
      .map { try JSONDecoder().decode(RankPlace.self, from: $0) }
    guard communicator.rank == 0 else { return }
    var findings = JobFindings(communicator, places, threads: threads).all + MachineFindings.all
    if let output { findings.append(try FileSystemFinding.of(output)) }
    try StandardOutput.print(json ? Self.json(findings) : findings.map(\.lines).joined(separator: "\n"))
  }

  private static func json(_ findings: [Finding]) throws -> String {
    let object = Dictionary(uniqueKeysWithValues: findings.map { ($0.key, $0.object) })
    return String(decoding: try Training.json(object, indented: true), as: UTF8.self)
  }
}

/// One thing that was looked at.
struct Finding {
  /// Its name in JSON.
  let key: String
  /// What was found.
  let value: String
  /// What would help; nil where all is well.
  let cure: String?

  /// For people.
  var lines: String {
    let name = key.replacingOccurrences(of: "_", with: " ")
    let gap = String(repeating: " ", count: max(1, 18 - name.count))
    return "\(cure == nil ? "ok  " : "LOOK") \(name)\(gap)\(value)" + (cure.map { "\n     cure: \($0)" } ?? "")
  }

  /// For scripts.
  var object: [String: Any] { ["value": value, "ok": cure == nil, "cure": cure ?? NSNull()] }
}

/// What all ranks together show.
struct JobFindings {
  private let communicator: any Communicator
  private let places: [RankPlace]
  private let threads: Int
  private let hosts: [String: [RankPlace]]

  init(_ communicator: any Communicator, _ places: [RankPlace], threads: Int) {
    (self.communicator, self.places, self.threads) = (communicator, places, threads)
    hosts = Dictionary(grouping: places, by: \.host)
  }

  var all: [Finding] { [library, ranks, binding, threadsOfRanks, network] }

  private var library: Finding {
    Finding(
      key: "mpi", value: communicator.library,
      cure: communicator.library == "none"
        ? "started without a launcher, so as one rank: use mpirun or srun for more" : nil)
  }

  private var ranks: Finding {
    let perHost = hosts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.count)" }.joined(separator: ", ")
    return Finding(key: "ranks", value: "\(communicator.size) (\(perHost))", cure: nil)
  }

  private var binding: Finding {
    let isShared = hosts.values.contains { Set($0.map(\.processors)).count < $0.count }
    return Finding(
      key: "binding",
      value: places.enumerated().map { rank, place in
        "rank \(rank): processors \(place.processors.map(String.init).joined(separator: ","))"
      }.joined(separator: "; "),
      cure: isShared ? "ranks share processors: launch/train binds them, or srun --cpus-per-task=\(threads)" : nil)
  }

  private var threadsOfRanks: Finding {
    let isNarrow = places.contains { $0.usable < threads }
    return Finding(
      key: "threads", value: "\(threads) a rank",
      cure: isNarrow
        ? "a rank may use fewer processors than that: more cores for it (launch/train, srun --cpus-per-task), or fewer --threads"
        : nil)
  }

  /// Addresses that several hosts have, and bridges of containers and virtual machines, which tend to have the same everywhere: Open
  /// MPI takes them for a way from host to host and waits for ever.
  private var network: Finding {
    let all = hosts.values.flatMap { $0[0].addresses }.filter { !$0.value.hasPrefix("127.") }
    let common = Dictionary(grouping: all, by: \.value).values.filter { $0.count > 1 }.flatMap { $0.map(\.key) }
    let bridges = all.map(\.key).filter { name in
      ["docker", "br-", "virbr", "lxcbr", "podman", "cni"].contains { name.hasPrefix($0) }
    }
    let bad = Set(common + bridges).sorted()
    let own = places[0].addresses.filter { !$0.value.hasPrefix("127.") }.sorted { $0.key < $1.key }
    return Finding(
      key: "network",
      value: own.isEmpty ? "no address" : own.map { "\($0.key) \($0.value)" }.joined(separator: ", "),
      cure: bad.isEmpty
        ? nil
        : "\(bad.joined(separator: ", ")) does not lead to other hosts: OMPI_MCA_btl_tcp_if_exclude=lo,\(bad.joined(separator: ","))"
          + " and the same for OMPI_MCA_oob_tcp_if_exclude, as launch/train sets where there are several hosts")
  }
}
