import Communication
import Foundation

/// What every communicator must do, run by each rank; the one line "conforms" on rank 0 at the end. With an argument the ranks
/// fail in a chosen way instead.
func conform(_ communicator: any Communicator) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  func require(_ holds: Bool, _ what: String) throws {
    try communicator.agree(on: holds ? nil : Failure(.run, what))
  }
  for count in [0, 1, 7, 600_011] {
    try exchange(communicator, count, require)
    var floats = (0..<count).map { Float($0 % 13 + rank) }
    try floats.withUnsafeMutableBufferPointer { try communicator.sum($0) }
    let expected = (0..<count).map { Float($0 % 13 * size + size * (size - 1) / 2) }
    try require(floats == expected, "sum of \(count) floats")
    var doubles = [Double](repeating: Double(rank + 1), count: count)
    try doubles.withUnsafeMutableBufferPointer { try communicator.sum($0) }
    try require(doubles.allSatisfy { $0 == Double(size * (size + 1) / 2) }, "sum of \(count) doubles")
    for root in [0, size - 1] {
      var bytes = [UInt8](repeating: UInt8(rank), count: count)
      try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, root: root) }
      try require(bytes.allSatisfy { $0 == UInt8(root) }, "broadcast of \(count) bytes from \(root)")
    }
  }
  try require(try communicator.maximum(rank * 3) == (size - 1) * 3, "maximum")
  let parts = try communicator.allGather(Data(repeating: UInt8(rank), count: rank * 5))
  try require(parts == (0..<size).map { Data(repeating: UInt8($0), count: $0 * 5) }, "gather of uneven parts")
  try require(try communicator.broadcast(rank == 0 ? "näme" : nil) == "näme", "broadcast of a text")
  try communicator.barrier()

  // Everybody learns of one rank's failure, and who it was.
  do {
    try communicator.together { if rank == size - 1 { throw Failure(.data, "row 3", hint: "look") } }
    try require(false, "a failure went unnoticed")
  } catch let agreed as Agreed {
    try require(
      agreed.failure
        == Failure(
          .data, (size > 1 ? "[rank \(size - 1) of \(size) on \(communicator.host)] " : "") + "row 3", hint: "look"),
      "agreed failure")
  }

  // Replicas that differ are named.
  func verify(_ tensors: [[UInt8]], at step: Int) throws {
    try tensors[0].withUnsafeBytes { first in
      try tensors[1].withUnsafeBytes { try communicator.verifyReplicas([("first", first), ("second", $0)], at: step) }
    }
  }
  var tensors = [[UInt8]](repeating: [UInt8](repeating: 1, count: 1000), count: 2)
  try verify(tensors, at: 1)
  if size > 1 {
    // One bit on one rank.
    if rank == size - 1 { tensors[1][999] ^= 4 }
    do {
      try verify(tensors, at: 7)
      try require(false, "different replicas went unnoticed")
    } catch let agreed as Agreed {
      let who =
        size > 2 ? "rank \(size - 1) holds other bits of second" : "rank 0 and rank 1 hold different bits of second"
      try require(agreed.failure.message.contains("step 7: \(who)"), "the different rank's name: \(agreed.failure)")
    }
  }
}

/// Every rank sends every other two arrays of `count` floats, which arrive in order.
func exchange(_ communicator: any Communicator, _ count: Int, _ require: (Bool, String) throws -> Void) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  func value(_ from: Int, _ to: Int, _ number: Int) -> Float { Float(100 * from + 10 * to + number) }
  let others = (0..<size).filter { $0 != rank }
  let memory = UnsafeMutablePointer<Float>.allocate(capacity: 4 * size * count + 1)
  defer { memory.deallocate() }
  func place(_ other: Int, _ number: Int) -> UnsafeMutablePointer<Float> { memory + (4 * other + number) * count }
  var (sends, receives) = ([Message](), [[Message]]())
  for other in others {
    for number in 0..<2 {
      place(other, number).update(repeating: value(rank, other, number), count: count)
      sends.append(Message(other, place(other, number), count))
      receives.append([Message(other, place(other, 2 + number), count)])
    }
  }
  for window in [1, 3] {
    var rounds: [Int] = []
    for message in receives.joined() { message.bytes.initializeMemory(as: UInt8.self, repeating: 0) }
    try communicator.exchange(
      Exchange(sends, rounds: receives, window: window), Urgency(count % 2 == 0),
      for: Collective(.exchange, size: count)
    ) { rounds.append($0) }
    try require(rounds == Array(receives.indices), "rounds \(rounds)")
    let isRight = others.allSatisfy { other in
      (0..<2).allSatisfy { number in
        (0..<count).allSatisfy { place(other, 2 + number)[$0] == value(other, rank, number) }
      }
    }
    try require(isRight, "exchange of \(count) floats, \(window) at a time")
  }
}

/// Buckets of gradients are summed, but for one that the last rank leaves out: a watch names it and ends the job, or where ranks
/// compare what they do, each hears of it.
func leaveOut(_ communicator: AnnouncedCommunicator, verifies: Bool) throws {
  var settings = Watch.Settings()
  settings.timeout = 4
  let watch = try Watch(communicator, settings)
  defer { watch.stop() }
  communicator.isVerifying = verifies
  let storage = try Storage(byteCount: 4 * 4 * Buckets.chunk)
  let sums = PartialSums(storage.floats, team: try ThreadTeam(count: 1))
  let tree = ReductionTree(leaves: communicator.size)
  let reduction = try TreeReduction(communicator, of: .gradients)
  sums.begin(tree)
  reduction.begin(tree, shares: (0..<communicator.size).map { $0..<$0 + 1 })
  _ = try sums.expect(communicator.rank)
  for number in 0..<4 where communicator.rank < communicator.size - 1 || number != 2 {
    let bucket = number * Buckets.chunk..<(number + 1) * Buckets.chunk
    sums.joinLast(bucket)
    try reduction.reduceScatter(bucket, number: number, sums)
    try reduction.allGather(bucket, number: number, sums.array)
  }
}

let communicator = try MPI.open()
do {
  switch CommandLine.arguments.dropFirst().first {
  case "abort":
    if communicator.rank == communicator.size - 1 { communicator.abort(65) }
    while true { sleep(1) }
  case "threads":
    let ranks = ThreadRanks.run(Int(CommandLine.arguments[2]) ?? 1) { try conform($0) }
    for result in ranks { try result.get() }
    print("conforms")
  case "leave-out": try leaveOut(communicator, verifies: CommandLine.arguments.last == "verify")
  case "size": if communicator.rank == 0 { print(communicator.size) }
  default:
    try conform(communicator)
    if communicator.rank == 0 { print("conforms") }
  }
  communicator.close()
} catch let agreed as Agreed {
  if communicator.rank == 0 { print("does not conform: \(agreed.failure)") }
  communicator.close()
  exit(1)
}
