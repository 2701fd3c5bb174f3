import CMPI
import Foundation
import Tensors

/// The job this process is part of.
public enum MPI {
  /// Variables that launchers set for the processes they start: Open MPI, MPICH and Intel MPI (Hydra), PMIx, Slurm's PMI-2.
  private static let marks = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALNRANKS"]

  /// The communicator that fits how this process was started: MPI under a launcher, a single process otherwise. Refused where the
  /// launcher started several processes and MPI does not know of them: each would do all the work alone.
  package static func open() throws -> AnnouncedCommunicator {
    let environment = ProcessInfo.processInfo.environment
    let launcher = Launcher(environment)
    try launcher?.requireInterface(environment, library: MPIJob.libraryName())
    guard marks.contains(where: { environment[$0] != nil }) else {
      try launcher?.require(ranks: 1, library: MPIJob.libraryName())
      return AnnouncedCommunicator(SingleProcess())
    }
    let job = try MPIJob()
    try launcher?.require(ranks: job.size, library: job.library)
    return AnnouncedCommunicator(job)
  }
}

/// The ranks of an MPI job.
final class MPIJob: Communicator {
  let rank: Int
  let size: Int
  private(set) var hosts: [String] = []
  let library: String
  let whereabouts = Whereabouts()

  init() throws {
    func check(_ code: Int32, _ call: String) throws {
      guard code == 0 else { throw Failure(.run, "MPI \(call) failed: \(Self.describe(code))") }
    }
    try check(dms_mpi_start(), "initialisation")
    var (rank, size): (Int32, Int32) = (0, 1)
    try check(dms_mpi_place(&rank, &size), "rank")
    (self.rank, self.size) = (Int(rank), Int(size))
    library = try Self.libraryName()
    let host = try Self.text(512) { try check(dms_mpi_host($0), "host name") }
    hosts = try allGather(Data(host.utf8)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The library with its version; known before it is initialised.
  static func libraryName() throws -> String {
    let text = try text(8192) {
      if dms_mpi_library($0) != 0 { throw Failure(.run, "MPI does not tell its version") }
    }
    let line = text.split(whereSeparator: { $0 == "," || $0 == "\n" }).first.map(String.init) ?? "MPI"
    return line.replacing("\t", with: " ")
  }

  private static func text(_ capacity: Int, _ body: (UnsafeMutablePointer<CChar>) throws -> Void) rethrows -> String {
    let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
    buffer.initialize(repeating: 0, count: capacity)
    defer { buffer.deallocate() }
    try body(buffer)
    return String(cString: buffer)
  }

  private static func describe(_ code: Int32) -> String { text(1024) { dms_mpi_error(code, $0) } }

  private func check(_ code: Int32, _ call: String) throws {
    guard code == 0 else { throw Failure(.run, "MPI \(call) failed: \(Self.describe(code))", isPassing: true) }
  }

  func barrier() throws { try check(dms_mpi_barrier(), "barrier") }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) throws {
    try check(dms_mpi_broadcast(bytes.baseAddress, bytes.count, Int32(root)), "broadcast of \(bytes.count) bytes")
  }

  func exchange(
    _ exchange: Exchange, _ urgency: Urgency, for purpose: Collective, arrived: (Int) -> Void
  ) throws {
    func messages(_ list: some Sequence<Message>) -> [dms_message] {
      list.map { dms_message(bytes: $0.bytes.baseAddress, count: $0.bytes.count, peer: Int32($0.peer)) }
    }
    let (sends, receives) = (messages(exchange.sends), messages(exchange.rounds.joined()))
    var received: Int32 = 0
    let ends = exchange.rounds.map { round in
      received += Int32(round.count)
      return received
    }
    let code = withoutActuallyEscaping(arrived) { arrived in
      withUnsafePointer(to: arrived) { context in
        dms_mpi_exchange(
          sends, Int32(sends.count), receives, ends, Int32(ends.count), Int32(exchange.window), purpose.tag,
          urgency.flag, { $0?.assumingMemoryBound(to: ((Int) -> Void).self).pointee(Int($1)) }, context)
      }
    }
    try check(code, "\(purpose) of \((sends + receives).reduce(0) { $0 + $1.count }) bytes")
  }

  func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try check(dms_mpi_sum_floats(values.baseAddress, values.count), "sum of \(values.count) floats")
  }

  func sum(_ values: UnsafeMutableBufferPointer<Double>) throws {
    try check(dms_mpi_sum_doubles(values.baseAddress, values.count), "sum of \(values.count) doubles")
  }

  func maximum(_ value: Int) throws -> Int {
    var result = Int64(value)
    try check(dms_mpi_maximum(&result, 1), "maximum")
    return Int(result)
  }

  func allGather(_ bytes: Data) throws -> [Data] {
    var count = Int32(bytes.count)
    var counts = [Int32](repeating: 0, count: size)
    try check(dms_mpi_all_gather(&count, 4, &counts), "gather")
    var offsets = [Int32](repeating: 0, count: size)
    for i in 1..<max(1, size) { offsets[i] = offsets[i - 1] + counts[i - 1] }
    var all = [UInt8](repeating: 0, count: max(1, counts.reduce(0) { $0 + Int($1) }))
    try bytes.withUnsafeBytes { raw in
      try check(dms_mpi_all_gather_parts(raw.baseAddress, count, &all, counts, offsets), "gather")
    }
    return (0..<size).map { Data(all[Int(offsets[$0])..<Int(offsets[$0] + counts[$0])]) }
  }

  func abort(_ code: Int32) -> Never {
    dms_mpi_abort(code)
    exit(code)
  }

  func close() { _ = dms_mpi_stop() }
}
