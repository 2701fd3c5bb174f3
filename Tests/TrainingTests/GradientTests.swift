import Foundation
import Testing
import Training

/// A small network without dropout, its data set, and the micro-batches of one step.
private struct Setup: Sendable {
  let options: Options
  let dataset: Dataset
  let sampler: Sampler

  init(_ folder: String, microBatch: Int) throws {
    try Synthesis(patients: 11, seed: 5, size: 64, difficulty: 0.5, labelNoise: 0, format: .csv)
      .write(to: folder, threads: 1)
    options = try Options([
      "data": [folder], "depth": ["18"], "stem": ["8"], "width": ["32"], "embedding": ["16"], "size": ["64"],
    ])
    dataset = try options.dataset()
    sampler = Sampler(patients: Array(dataset.patients.indices), batch: 11, microBatch: microBatch, seed: 1)
  }

  func replica(table: StepTable? = nil) throws -> Replica {
    try Replica(options.network(labels: 8), height: 64, width: 64, threads: 1, seed: 7, table: table)
  }

  /// The batches of `microBatches`.
  func loader(_ microBatches: [Range<Int>]) -> Loader {
    let order = sampler.order(epoch: 0)
    return Loader(dataset, Preparation(height: 64, width: 64), augmentation: nil, workers: 1) { index in
      index < microBatches.count
        ? microBatches[index].map { Example(patient: order[$0], epoch: 0, position: $0) } : nil
    }
  }

  /// The gradients of each micro-batch by itself.
  func gradients(_ plan: StepPlan) throws -> [[Float]] {
    let (replica, loader) = (try replica(), loader(plan.microBatches))
    let runner = StepRunner(replica, seed: 1)
    return try plan.microBatches.map { _ in
      let batch = try #require(try loader.next())
      _ = try runner.run(batch, pairs: plan.pairs)
      return Array(replica.variables.gradients)
    }
  }
}

struct GradientTests {
  private let folder = NSTemporaryDirectory() + "dmsnet-" + UUID().uuidString

  private func naive(_ arrays: ArraySlice<[Float]>) -> [Float] {
    guard arrays.count > 1 else { return arrays[arrays.startIndex] }
    var power = 1
    while 2 * power < arrays.count { power *= 2 }
    return zip(naive(arrays.prefix(power)), naive(arrays.dropFirst(power))).map { $0 + $1 }
  }

  /// Whatever the ranks: every rank ends with the micro-batches' gradients, summed in the order of the tree, to the last bit. In
  /// bfloat16 with these but for its rounding, and all ranks with the same.
  @Test(arguments: [1, 2, 3, 11])
  func gradientsOfRanksAreTheMicroBatchesSum(_ microBatch: Int) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let setup = try Setup(folder, microBatch: microBatch)
    let plan = StepPlan(setup.sampler, step: 0, ranks: 1)
    let expected = naive(try setup.gradients(plan)[...])
    #expect(expected.contains { $0 != 0 })
    for (ranks, wire) in [(1, Wire.float32), (2, .float32), (3, .float32), (5, .float32), (3, .bfloat16)] {
      let found = try ThreadRanks.run(ranks) { communicator in
        let replica = try setup.replica()
        let plan = StepPlan(setup.sampler, step: 0, ranks: ranks)
        let own = plan.shares[communicator.rank]
        let loader = setup.loader(Array(plan.microBatches[own]))
        let runner = StepRunner(replica, seed: 1)
        let reducer = try GradientReducer(
          replica.variables, communicator, team: replica.team, bucketBytes: 100_000, wire: wire, isSharded: false)
        reducer.begin(plan)
        for leaf in own {
          let batch = try #require(try loader.next())
          let isLast = leaf == own.upperBound - 1
          _ = try runner.run(batch, pairs: plan.pairs, accumulates: reducer.expect(leaf)) {
            isLast ? reducer.listener($0) : nil
          }
        }
        try reducer.wait()
        return Array(replica.variables.gradients)
      }.map { try $0.get() }
      for gradients in found {
        #expect(gradients == found[0])
        if wire == .float32 {
          #expect(gradients == expected, "\(ranks) ranks, micro-batches of \(microBatch)")
        } else {
          let error = zip(gradients, expected).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
          let size = expected.map { $0 * $0 }.reduce(0, +).squareRoot()
          #expect(error < 4e-3 * size && error > 0, "\(error) of \(size)")
        }
      }
    }
  }

  /// With norms over the whole step its pairs are one batch, however they are cut and shared out: but for rounding, where a ReLU may open
  /// in one and stay shut in the other; and to the last bit on any number of ranks.
  @Test(arguments: [1, 3, 4])
  func synchronisedNormsMakeMicroBatchesOne(_ microBatch: Int) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let whole = try Setup(folder, microBatch: 11)
    let expected = try #require(try whole.gradients(StepPlan(whole.sampler, step: 0, ranks: 1)).first)
    let setup = try Setup(folder + "/again", microBatch: microBatch)
    var first: [Float] = []
    for ranks in 1...4 {
      let found = try ThreadRanks.run(ranks) { communicator in
        let meeting = StepMeeting(communicator)
        let replica = try setup.replica(table: meeting.table)
        let plan = StepPlan(setup.sampler, step: 0, ranks: ranks)
        let own = plan.shares[communicator.rank]
        let loader = setup.loader(Array(plan.microBatches[own]))
        let reducer = try GradientReducer(
          replica.variables, communicator, team: replica.team, bucketBytes: 100_000, wire: .float32, isSharded: false)
        reducer.begin(plan)
        try meeting.prepare(replica, plan)
        let batches = try own.map { _ in try #require(try loader.next()) }
        _ = try StepRunner(replica, seed: 1).run(batches, plan, meeting)
        for (seat, leaf) in own.enumerated() { try reducer.take(leaf, replica.gradients(seat: seat)) }
        reducer.release()
        try reducer.wait()
        return Array(replica.variables.gradients)
      }.map { try $0.get() }
      if first.isEmpty { first = found[0] }
      for gradients in found { #expect(gradients == first, "\(ranks) ranks") }
    }
    let error = zip(first, expected).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
    let size = expected.map { $0 * $0 }.reduce(0, +).squareRoot()
    #expect(error < 1e-2 * size, "\(error) of \(size)")
  }

  /// A micro-batch's losses and gradients are divided by the pairs of the whole step: in a step of twice the pairs they are half,
  /// to the last bit.
  @Test func theWholeStepsPairsDivide() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let setup = try Setup(folder, microBatch: 4)
    let plan = StepPlan(setup.sampler, step: 0, ranks: 1)
    let replica = try setup.replica()
    let batch = try #require(try setup.loader(plan.microBatches).next())
    let start = try replica.variables.copy()
    let runner = StepRunner(replica, seed: 1)
    let losses = try runner.run(batch, pairs: 11)
    let gradients = Array(replica.variables.gradients)
    replica.variables.bytes.copyMemory(from: UnsafeRawBufferPointer(start: start.base, count: start.byteCount))
    let halves = try runner.run(batch, pairs: 22)
    #expect(halves.values == losses.values.map { $0 / 2 } && losses.total > 0)
    #expect(Array(replica.variables.gradients) == gradients.map { $0 / 2 })
  }
}
