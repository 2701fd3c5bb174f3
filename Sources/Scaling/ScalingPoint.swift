import Foundation

/// One measurement of one place in the grid: so many ranks and threads, in one round. A file of the folder `points`.
package struct ScalingPoint: Codable, Sendable {
  /// What stays the same while processors are added.
  package enum Series: String, Codable, Sendable, CaseIterable {
    /// Pairs a processor.
    case weak
    /// Pairs a step.
    case strong
  }

  /// Seconds of a step by what they were spent on; they add up to a step.
  package struct Shares: Codable, Sendable {
    /// Forward and backward pass, the mean of the ranks.
    package var compute = 0.0
    /// Waiting for what travels, and for what is agreed on.
    package var communication = 0.0
    /// Waiting for the loader.
    package var data = 0.0
    /// Waiting for ranks that compute longer.
    package var imbalance = 0.0
    /// The optimizer.
    package var update = 0.0

    /// Nothing yet.
    package init() {}

    /// All of them.
    package var total: Double { compute + communication + data + imbalance + update }
  }

  /// When a bucket of gradients travelled on rank 0, in seconds from the step's beginning: medians.
  package struct Bucket: Codable, Sendable {
    package var bytes = 0
    package var readySeconds = 0.0
    package var beganSeconds = 0.0
    package var endedSeconds = 0.0

    /// Nothing yet.
    package init() {}
  }

  /// The all-reduce of one array, alone.
  package struct AllReduce: Codable, Sendable {
    package var bytes = 0
    /// The median.
    package var seconds = 0.0

    /// So many bytes in so many seconds.
    package init(bytes: Int, seconds: Double) { (self.bytes, self.seconds) = (bytes, seconds) }
  }

  package var series = Series.weak
  /// Counted from 1.
  package var round = 1
  package var ranks = 1
  /// Of a rank.
  package var threads = 1
  /// The host of each rank.
  package var hosts: [String] = []
  /// The processors that each rank may use, for example "0-3".
  package var binding: [String] = []
  /// Processors that the ranks may use, of all machines together; hosts that are containers of one machine share those.
  package var processors = 1
  package var processor = ""
  package var mpi = ""
  package var transport = ""
  /// The data set; nil: noise.
  package var data: String?
  /// Pairs of a step.
  package var pairs = 0
  /// Pairs of a micro-batch.
  package var microBatch = 0
  /// Pairs of an epoch.
  package var epochPairs = 0
  /// Bytes of a gradient as it travels.
  package var wireBytes = 4
  /// Whether weights move bucket by bucket, while later ones still travel.
  package var isEager = false
  /// Seconds of each step.
  package var stepSeconds: [Double] = []
  package var shares = Shares()
  package var buckets: [Bucket] = []
  package var allReduce: [AllReduce] = []
  /// From the start of the processes to the first step that counts.
  package var startSeconds = 0.0
  /// What a checkpoint holds the step up, and what it takes in all.
  package var checkpointBlockingSeconds = 0.0
  package var checkpointSeconds = 0.0
  package var version = ""
  package var commit: String?
  package var command = ""

  /// Nothing yet.
  package init() {}

  /// The median of a step's seconds.
  package var seconds: Double { median(stepSeconds) }
  /// Of all ranks together, in the main loop, by the median step.
  package var pairsPerSecond: Double { Double(pairs) / seconds }
  /// Processors that ranks times threads ask for.
  package var cores: Int { ranks * threads }
  /// Whether that is more than there are.
  package var isOversubscribed: Bool { cores > processors }
  /// How many hosts.
  package var hostCount: Int { Set(hosts).count }

  /// The file of this point: what was measured, and when.
  package var name: String { "\(place)-\(round)" }

  /// The name without the round.
  package var place: String {
    "\(series.rawValue)-\(data == nil ? "synthetic" : "data")-\(hostCount)x\(ranks)x\(threads)"
  }
}

/// The median of `values`; not a number of none.
package func median(_ values: [Double]) -> Double {
  guard !values.isEmpty else { return .nan }
  let values = values.sorted()
  return (values[(values.count - 1) / 2] + values[values.count / 2]) / 2
}

extension JSONEncoder {
  /// As all files here: snake case, sorted, indented.
  package static var figures: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return encoder
  }
}

extension JSONDecoder {
  /// Reads what `JSONEncoder.figures` writes.
  package static var figures: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }
}
