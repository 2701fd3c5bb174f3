import Foundation
import Tensors

/// Ranks that are threads of this process: what tests run on instead of MPI.
public enum ThreadRanks {
  /// Runs `body` on `count` ranks and returns what each returned or threw, in the order of ranks. `hosts`: those that they say they are
  /// on; nil: all on one.
  public static func run<Value: Sendable>(
    _ count: Int, hosts: [String]? = nil, _ body: @escaping @Sendable (any Communicator) throws -> Value
  ) -> [Result<Value, any Error>] {
    let meeting = Meeting(hosts ?? Array(repeating: "thread", count: count))
    let results = Results<Value>(count)
    let group = DispatchGroup()
    for rank in 0..<count {
      group.enter()
      let thread = Thread {
        results.set(rank, Result { try body(ThreadRank(rank, meeting)) })
        group.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    group.wait()
    return results.all
  }
}

/// One rank that is a thread.
private final class ThreadRank: Communicator {
  let rank: Int
  let size: Int
  let hosts: [String]
  let library = "threads"
  let whereabouts = Whereabouts()
  private let meeting: Meeting

  init(_ rank: Int, _ meeting: Meeting) {
    (self.rank, size, hosts, self.meeting) = (rank, meeting.hosts.count, meeting.hosts, meeting)
  }

  func barrier() { _ = meeting.gather(Data(), rank) }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {
    let all = meeting.gather(rank == root ? Data(bytes) : Data(), rank)
    if rank != root { all[root].copyBytes(to: bytes) }
  }

  func exchange(_ exchange: Exchange, _ urgency: Urgency, for purpose: Collective, arrived: (Int) -> Void) {
    for message in exchange.sends {
      meeting.post(Data(message.bytes), Way(sender: rank, receiver: message.peer, tag: purpose.tag))
    }
    for (number, round) in exchange.rounds.enumerated() {
      for message in round {
        meeting.take(Way(sender: message.peer, receiver: rank, tag: purpose.tag)).copyBytes(to: message.bytes)
      }
      arrived(number)
    }
  }

  func sum(_ values: UnsafeMutableBufferPointer<Float>) { add(values) }

  func sum(_ values: UnsafeMutableBufferPointer<Double>) { add(values) }

  private func add<Value: BinaryFloatingPoint>(_ values: UnsafeMutableBufferPointer<Value>) {
    let all = meeting.gather(Data(buffer: values), rank)
    values.update(repeating: 0)
    for data in all {
      data.withUnsafeBytes { bytes in
        for (index, value) in bytes.bindMemory(to: Value.self).enumerated() { values[index] += value }
      }
    }
  }

  func maximum(_ value: Int) -> Int {
    allGather(withUnsafeBytes(of: value) { Data($0) })
      .map { $0.withUnsafeBytes { $0.loadUnaligned(as: Int.self) } }.max() ?? value
  }

  func allGather(_ bytes: Data) -> [Data] { meeting.gather(bytes, rank) }

  func abort(_ code: Int32) -> Never { exit(code) }

  func close() {}
}

/// From whom to whom a letter goes, and what for.
private struct Way: Hashable {
  let sender, receiver: Int
  let tag: Int32
}

/// Where the ranks meet: one gathering at a time, and letters from one to another.
private final class Meeting: @unchecked Sendable {
  // Unchecked: everything that changes is touched under `condition` only.
  let hosts: [String]
  private let condition = NSCondition()
  private var brought: [Data?]
  private var gathered: [Data] = []
  private var generation = 0
  private var letters: [Way: [Data]] = [:]

  init(_ hosts: [String]) {
    self.hosts = hosts
    brought = Array(repeating: nil, count: hosts.count)
  }

  /// Every rank's bytes; returns when all have come.
  func gather(_ bytes: Data, _ rank: Int) -> [Data] {
    condition.withLock {
      brought[rank] = bytes
      let all = brought.compactMap { $0 }
      if all.count == hosts.count {
        (gathered, brought) = (all, Array(repeating: nil, count: hosts.count))
        generation += 1
        condition.broadcast()
        return all
      }
      let mine = generation
      while generation == mine { condition.wait() }
      return gathered
    }
  }

  func post(_ bytes: Data, _ way: Way) {
    condition.withLock {
      letters[way, default: []].append(bytes)
      condition.broadcast()
    }
  }

  func take(_ way: Way) -> Data {
    condition.withLock {
      while letters[way]?.isEmpty ?? true { condition.wait() }
      return letters[way]?.removeFirst() ?? Data()
    }
  }
}

/// What the ranks came to.
private final class Results<Value: Sendable>: @unchecked Sendable {
  // Unchecked: touched under `lock` only.
  private let lock = NSLock()
  private var values: [Result<Value, any Error>?]

  init(_ count: Int) { values = Array(repeating: nil, count: count) }

  func set(_ rank: Int, _ value: Result<Value, any Error>) { lock.withLock { values[rank] = value } }

  var all: [Result<Value, any Error>] { lock.withLock { values.compactMap { $0 } } }
}
