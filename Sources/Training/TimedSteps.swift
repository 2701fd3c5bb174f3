import Foundation

/// Steps of training as a run takes them, for their time alone: on noise or on pairs of a data set, with nothing written.
package final class TimedSteps {
  /// What steps took.
  package struct Result {
    /// Seconds of each step in turn, from one beginning to the next.
    package var seconds: [Double] = []
    /// Seconds of a step by share, the mean over steps and ranks; they add up to a step. `imbalance` is waiting for ranks that compute
    /// longer, and no part of `exposed_communication`.
    package var shares: [String: Double] = [:]
    /// The buckets of a typical step, the medians over steps: ready on the rank where that is last, on their way on rank 0.
    package var buckets: [BucketTimes] = []
  }

  private let options: Options
  private let communicator: any Communicator
  private let dataset: Dataset?
  private let patients: [Int]
  private let gradientStep: GradientStep
  private let labels: Int
  private var number = 0

  /// Steps that are not counted: they touch memory and open connections.
  private static let warmup = 2

  /// Sets steps of at most `pairs` pairs up, on every rank. `dataset`: where pairs come from; nil: noise.
  package init(_ options: Options, pairs: Int, _ dataset: Dataset?, _ communicator: any Communicator) throws {
    (self.options, self.dataset, self.communicator) = (options, dataset, communicator)
    patients = dataset.map { Array($0.patients.indices) } ?? []
    labels = dataset?.labels.count ?? 8
    let meeting = options.syncNorm ? StepMeeting(communicator) : nil
    let (plan, labels) = (StepPlan(Self.sampler(options, pairs, patients), step: 0, ranks: communicator.size), labels)
    gradientStep = try communicator.together {
      let replica = try Replica(
        options.network(labels: labels), height: options.size.height, width: options.size.width,
        threads: options.threads, seed: options.seed, recomputes: options.recompute, table: meeting?.table)
      return try GradientStep(options, replica, communicator, meeting, largest: plan)
    }
  }

  /// The order of steps of `pairs` pairs: an epoch of the data set's, or with noise of one step.
  private static func sampler(_ options: Options, _ pairs: Int, _ patients: [Int]) -> Sampler {
    Sampler(
      patients: patients.isEmpty ? Array(0..<pairs) : patients, batch: pairs,
      microBatch: options.microBatch, seed: options.seed, dropLast: true)
  }

  /// Takes `steps` steps of `pairs` pairs. Collective.
  package func run(pairs: Int, steps: Int) throws -> Result {
    let sampler = Self.sampler(options, pairs, patients)
    try communicator.together { try check(sampler) }
    let loader = loader(sampler)
    var (result, buckets, shares) = (Result(), [[BucketTimes]](), [[Double]]())
    try communicator.barrier()
    for index in 0..<Self.warmup + steps {
      let start = DispatchTime.now().uptimeNanoseconds
      let plan = StepPlan(sampler, step: index % sampler.stepsPerEpoch, ranks: communicator.size)
      number += 1
      // So small a rate that noise leaves the losses finite.
      let times = try gradientStep.take(plan, number: number, rate: 1e-6, loader) {}.times
      guard index >= Self.warmup else { continue }
      result.seconds.append(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9)
      shares.append(StepTimes.Share.allCases.map { times[$0] } + [times.imbalance])
      buckets.append(gradientStep.reducer.timeline)
    }
    result.shares = try meanShares(shares)
    result.buckets = try Self.typical(buckets.map { try $0.map(last) })
    return result
  }

  private func check(_ sampler: Sampler) throws {
    guard sampler.stepsPerEpoch > 0 else {
      throw Failure(.usage, "a step of \(sampler.batch) pairs is more than the \(patients.count) of the data set")
    }
    let microBatches = sampler.microBatches(step: 0)
    guard microBatches.count >= communicator.size else {
      throw Failure(
        .usage,
        "a step of \(sampler.batch) pairs has \(microBatches.count) micro-batches for \(communicator.size) ranks",
        hint: "a smaller --micro-batch or more pairs")
    }
  }

  /// This rank's micro-batches, without end.
  private func loader(_ sampler: Sampler) -> Loader {
    let (rank, ranks) = (communicator.rank, communicator.size)
    if let dataset {
      return Loader(dataset, options, sampler, for: rank, of: ranks, from: (0, 0), epochs: .max)
    }
    let plan = StepPlan(sampler, step: 0, ranks: ranks)
    var stream = CounterRandom(seed: options.seed).stream(.test, rank)
    let floats = options.size.height * options.size.width * 3
    let batches = plan.shares[rank].map { leaf in
      Batch(
        noise: plan.microBatches[leaf].map { Example(patient: $0, epoch: 0, position: $0) }, labels: labels,
        floats: floats, &stream)
    }
    return Loader(repeating: batches)
  }

  /// The mean over steps and ranks of this rank's `shares` of each step.
  private func meanShares(_ shares: [[Double]]) throws -> [String: Double] {
    let count = StepTimes.Share.allCases.count + 1
    var sums = (0..<count).map { share in shares.reduce(0) { $0 + $1[share] } / Double(shares.count) }
    try sums.withUnsafeMutableBufferPointer { try communicator.sum($0) }
    let means = sums.map { $0 / Double(communicator.size) }
    var result = Dictionary(uniqueKeysWithValues: zip(StepTimes.Share.allCases.map(\.rawValue), means))
    let communication = StepTimes.Share.exposedCommunication.rawValue
    // Who has computed waits for the slowest, which the ranks count as communication.
    let waiting = min(means[count - 1], result[communication] ?? 0)
    result["imbalance"] = waiting
    result[communication, default: 0] -= waiting
    return result
  }

  /// Nothing travels before every rank has it ready.
  private func last(_ bucket: BucketTimes) throws -> BucketTimes {
    let ready = Double(try communicator.maximum(Int(bucket.ready * 1e9))) / 1e9
    return BucketTimes(bytes: bucket.bytes, ready: ready, began: bucket.began, ended: bucket.ended)
  }

  private static func typical(_ steps: [[BucketTimes]]) -> [BucketTimes] {
    guard let first = steps.first else { return [] }
    return first.indices.map { bucket in
      func median(_ value: (BucketTimes) -> Double) -> Double {
        let values = steps.map { value($0[bucket]) }.sorted()
        return (values[(values.count - 1) / 2] + values[values.count / 2]) / 2
      }
      return BucketTimes(
        bytes: first[bucket].bytes, ready: median(\.ready), began: median(\.began), ended: median(\.ended))
    }
  }

  /// Seconds that a checkpoint holds the step up, and those that writing it takes in all; `file`: where it is written, and removed again.
  /// Collective; 0 and 0 on all ranks but the first.
  package func checkpoint(_ file: String) throws -> (blocking: Double, whole: Double) {
    let start = DispatchTime.now().uptimeNanoseconds
    let files = try gradientStep.optimizer.files()
    let blocking = DispatchTime.now().uptimeNanoseconds - start
    try communicator.together {
      for (_, items) in files ?? [] {
        defer { unlink(file) }
        try Safetensors.write(items, metadata: ["format": "pt"], to: file)
      }
    }
    guard files != nil else { return (0, 0) }
    return (Double(blocking) / 1e9, Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9)
  }
}
