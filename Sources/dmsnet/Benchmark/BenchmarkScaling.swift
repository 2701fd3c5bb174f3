import ArgumentParser
import Foundation
import Scaling
import Training

/// How training scales: measures one place of a grid of ranks and threads, and makes the report of all places measured so far.
struct BenchmarkScaling: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scaling", abstract: "Weak and strong scaling of training: one place measured, and the report of all.",
    usage: "dmsnet benchmark scaling --report DIR [--weak PAIRS] [--strong PAIRS] [OPTIONS of train]",
    discussion: """
      launch/scaling runs it over a grid. Under mpirun it measures steps of training as a run takes them and adds them to
      DIR/points; without --weak and --strong it only makes the report anew: scaling.html, scaling.json, scaling.csv and
      plots. Network, micro-batch, bucket, wire, optimizer and data are options of train; see dmsnet train --help. Without
      --data pairs are noise.

      """ + OptionArguments.help(own: own) { _ in false })

  private static let own: [OptionArguments.Own] = [
    .init(name: "report", value: "DIR", help: "The report's folder."),
    .init(name: "weak", value: "PAIRS", help: "Measure steps of so many pairs a thread."),
    .init(name: "strong", value: "PAIRS", help: "Measure steps of so many pairs in all."),
    .init(name: "steps", value: "N", help: "Steps that count, after two that do not (default: 10)."),
    .init(name: "round", value: "N", help: "The repetition that this is (default: the next)."),
    .init(
      name: "epoch-pairs", value: "N",
      help: "Pairs of an epoch, for core-hours (default: those of --data, or ODIR-5K's 3500)."),
    .init(name: "project", value: "HOSTS,...", help: "Project to so many hosts, each like the measured ones."),
    .init(
      name: "network", value: "MICROSECONDS:GBITS[:SHARE[:CORESECONDS]]|FILE,...",
      help:
        "Networks to project to: a message's latency, a host's bandwidth, the share of it that messages get in both "
        + "directions (0.93), and what a gigabit that it holds back takes from computing (0.09: TCP; 0 where cards write "
        + "into memory); or what benchmark allreduce --json wrote there, with one rank a host (default: "
        + "50:1,20:10,2:100:0.95:0)."),
    .init(
      name: "mtbf", value: "HOURS", help: "Mean time between failures of one host: how often to write checkpoints."),
    .init(name: "commit", value: "TEXT", help: "What the report says of the program's source."),
    .init(name: "command", value: "TEXT", help: "What the report says it was made by (default: this command)."),
  ]

  @Argument(parsing: .captureForPassthrough, help: .hidden) var arguments: [String] = []

  func run() throws {
    let communicator = try Job.communicator()
    let told = try communicator.together {
      try OptionArguments(arguments, command: "benchmark scaling", own: Self.own)
    }
    guard !told.asksForHelp else {
      try communicator.onFirst { try StandardOutput.print(Self.helpMessage()) }
      return
    }
    let (request, options, folder) = try communicator.together {
      (try Request(told.own), try Options(told.given), try ScalingFolder(told.own["report"]))
    }
    if !request.pairs.isEmpty { try measure(request, options, folder, communicator) }
    try communicator.onFirst {
      let report = try folder.makeReport(request.wish)
      try StandardOutput.print(text(report))
    }
  }

  /// The command's own options, read.
  private struct Request {
    var pairs: [ScalingPoint.Series: Int] = [:]
    let steps: Int
    let round: Int?
    let epochPairs: Int?
    var wish = ScalingReport.Wish()
    let commit: String?
    let command: String?

    init(_ own: [String: String]) throws {
      func number(_ name: String, in limits: ClosedRange<Int>) throws -> Int? {
        guard let text = own[name] else { return nil }
        guard let value = Int(text) else { throw Failure(.usage, "--\(name) is \(text), expected a number") }
        try require(value, in: limits, "--\(name)")
        return value
      }
      for series in ScalingPoint.Series.allCases { pairs[series] = try number(series.rawValue, in: 1...4096) }
      steps = try number("steps", in: 1...10_000) ?? 10
      round = try number("round", in: 1...1_000_000)
      epochPairs = try number("epoch-pairs", in: 1...1_000_000_000)
      wish.hosts = try (own["project"]?.split(separator: ",", omittingEmptySubsequences: false) ?? []).map { text in
        guard let hosts = Int(text), (1...4096).contains(hosts) else {
          throw Failure(.usage, "--project is \(own["project"] ?? ""), expected numbers of hosts from 1 to 4096")
        }
        return hosts
      }
      let networks = own["network"] ?? "50:1,20:10,2:100:0.95:0"
      wish.networks = try networks.split(separator: ",", omittingEmptySubsequences: false).map { text in
        if let network = try Self.measuredNetwork(String(text)) { return network }
        let told = text.split(separator: ":", omittingEmptySubsequences: false).map { Double($0) ?? -1 }
        let numbers = told + [Network.shareOfTCP, Network.coreSecondsOfTCP].dropFirst(max(0, told.count - 2))
        let isRight =
          told.count >= 2 && numbers.count == 4 && (0...1e6).contains(numbers[0]) && numbers[1] > 0 && numbers[1] <= 1e6
          && numbers[2] > 0 && numbers[2] <= 1 && (0...1000).contains(numbers[3])
        guard isRight else {
          throw Failure(
            .usage, "--network is \(networks), expected for example 50:1,2:100:0.95 or a file of benchmark allreduce")
        }
        return Network(
          latencySeconds: numbers[0] / 1e6, gigabitsPerSecond: numbers[1], share: numbers[2],
          coreSecondsPerGigabit: numbers[3])
      }
      wish.hoursBetweenFailures = try own["mtbf"].map { text in
        guard let hours = Double(text), hours > 0, hours <= 1e9 else {
          throw Failure(.usage, "--mtbf is \(text), expected hours above 0")
        }
        return hours
      }
      (commit, command) = (own["commit"], own["command"])
    }

    /// What `dmsnet benchmark allreduce --json` writes, as far as it is needed.
    private struct Measured: Decodable {
      struct Array: Decodable {
        struct Figures: Decodable { let seconds: Double }
        let bytes: Int
        let tree: Figures
      }
      let ranks: Int
      let arrays: [Array]
    }

    /// The network that the file `path` was measured on; nil where there is no such file.
    private static func measuredNetwork(_ path: String) throws -> Network? {
      guard let data = FileManager.default.contents(atPath: path) else { return nil }
      let measured = try? JSONDecoder().decode(Measured.self, from: data)
      let network = measured.flatMap { measured in
        Network(
          measured.arrays.map { ScalingPoint.AllReduce(bytes: $0.bytes, seconds: $0.tree.seconds) },
          ranks: measured.ranks)
      }
      guard let network else {
        throw Failure(.data, "\(path): not what benchmark allreduce --json writes of several hosts")
      }
      return network
    }
  }

  /// Measures this place of the grid. Collective.
  private func measure(
    _ request: Request, _ options: Options, _ folder: ScalingFolder, _ communicator: any Communicator
  ) throws {
    try communicator.onFirst { try folder.make() }
    let dataset = try options.data.isEmpty ? nil : prepared(options, communicator)
    let cores = communicator.size * options.threads
    let pairs = ScalingPoint.Series.allCases.compactMap { series in
      request.pairs[series].map { (series: series, pairs: series == .weak ? $0 * cores : $0) }
    }
    let steps = try TimedSteps(options, pairs: pairs.map(\.pairs).max() ?? 1, dataset, communicator)
    var common = try place(options, request, communicator)
    common.epochPairs = request.epochPairs ?? dataset?.patients.count ?? 3500
    common.data = dataset == nil ? nil : URL(fileURLWithPath: options.data).lastPathComponent
    common.startSeconds = Self.secondsSinceStart
    let points = pairs.map { series, pairs in
      var point = common
      (point.series, point.pairs) = (series, pairs)
      return point
    }
    let round = try communicator.maximum(request.round ?? communicator.onFirst { folder.nextRound(points) } ?? 0)
    // What is measured first meets another machine than what comes last: so they take turns.
    let order = round % 2 == 1 ? points : points.reversed()
    var measured: [ScalingPoint] = []
    for var point in order {
      let result = try steps.run(pairs: point.pairs, steps: request.steps)
      point.round = round
      point.take(result)
      measured.append(point)
    }
    let curve = try allReduce(options.wire, communicator)
    let checkpoint = try steps.checkpoint(folder.scratch)
    try communicator.onFirst {
      for var point in measured {
        point.allReduce = curve
        (point.checkpointBlockingSeconds, point.checkpointSeconds) = checkpoint
        try folder.add(point)
      }
    }
  }

  /// The data set, its pairs prepared where a cache can be had. Collective.
  private func prepared(_ options: Options, _ communicator: any Communicator) throws -> Dataset {
    let found = try communicator.together { try options.dataset() }
    try communicator.requireSame(found.facts, .data)
    let path = DataPath(options, communicator, Progress(isSpeaking: communicator.rank == 0))
    return try path.ready(found, Array(found.patients.indices), onBad: options.onBadImage)
  }

  /// Who measures, where, with what. Collective.
  private func place(
    _ options: Options, _ request: Request, _ communicator: any Communicator
  ) throws -> ScalingPoint {
    func all(_ text: String) throws -> [String] {
      try communicator.allGather(Data(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }
    var point = ScalingPoint()
    (point.ranks, point.threads) = (communicator.size, options.threads)
    point.hosts = try all(communicator.host)
    point.binding = try all(Machine.processors.map(String.init).joined(separator: ","))
    // Containers are hosts of their own, and share the processors of their machine.
    point.processors =
      Set(
        zip(try all(Machine.identity ?? communicator.host), point.binding).flatMap { machine, list in
          list.split(separator: ",").map { "\(machine) \($0)" }
        }
      ).count
    (point.processor, point.mpi) = (Environment.processor, communicator.library)
    point.transport = Self.transport(hosts: point.hostCount)
    point.microBatch = options.microBatch
    point.wireBytes = options.wire == .bfloat16 ? 2 : 4
    point.isEager = options.clip == 0 && options.onNonfinite != .skip
    (point.version, point.commit) = (Environment.version, request.commit)
    point.command = request.command ?? CommandLine.arguments.joined(separator: " ")
    return point
  }

  /// What messages travel by, as far as it can be seen from here.
  private static func transport(hosts: Int) -> String {
    guard hosts > 1 else { return "shared memory" }
    let environment = ProcessInfo.processInfo.environment
    let told = ["OMPI_MCA_pml", "OMPI_MCA_btl", "OMPI_MCA_mtl", "UCX_TLS", "UCX_NET_DEVICES", "FI_PROVIDER"].compactMap
    { name in
      environment[name].map { "\(name)=\($0)" }
    }
    return told.isEmpty ? "what the MPI library chose" : told.joined(separator: " ")
  }

  /// The all-reduce alone, from 4 KiB to a bucket. Collective.
  private func allReduce(_ wire: Wire, _ communicator: any Communicator) throws -> [ScalingPoint.AllReduce] {
    guard communicator.size > 1 else { return [] }
    let sizes = [12, 14, 16, 18, 20, 22, 24].map { 1 << $0 } + [25 << 20]
    let timing = try AllReduceTiming(communicator, largest: 25 << 20, wire: wire)
    return try sizes.map { bytes in
      let seconds = try timing.seconds(bytes, runs: 5, besidesLibrary: false).tree
      return ScalingPoint.AllReduce(bytes: bytes, seconds: median(seconds))
    }
  }

  /// Seconds since the process was started.
  private static var secondsSinceStart: Double {
    let text = (try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8)) ?? ""
    let uptime = (try? String(contentsOfFile: "/proc/uptime", encoding: .utf8)) ?? ""
    // The fields after the program's name in brackets, of which the 20th is when it was started, in ticks since the system was.
    let fields = text.drop { $0 != ")" }.split(separator: " ")
    guard fields.count > 20, let ticks = Double(fields[20]),
      let now = uptime.split(separator: " ").first.flatMap({ Double($0) })
    else { return 0 }
    return max(0, now - ticks / Double(sysconf(Int32(_SC_CLK_TCK))))
  }

  private func text(_ report: ScalingReport) -> String {
    let rows = report.series.flatMap { series in
      [["\(series.kind.rawValue), \(series.input)", "ranks x threads", "pairs", "pairs/s", "efficiency", ""]]
        + series.rows.map { row in
          [
            row.hosts == 1 ? "" : "\(row.hosts) hosts", "\(row.ranks) x \(row.threads)", "\(row.pairs)",
            fixed(row.pairsPerSecond.mean), fixed(row.efficiency.mean), row.isOversubscribed ? "oversubscribed" : "",
          ]
        }
    }
    return table(rows)
  }
}

extension ScalingPoint {
  /// Takes in what steps took.
  fileprivate mutating func take(_ result: TimedSteps.Result) {
    stepSeconds = result.seconds
    func share(_ name: String) -> Double { result.shares[name] ?? 0 }
    (shares.compute, shares.communication) = (share("compute"), share("exposed_communication"))
    (shares.data, shares.imbalance, shares.update) = (share("data"), share("imbalance"), share("update"))
    buckets = result.buckets.map { times in
      var bucket = Bucket()
      (bucket.bytes, bucket.readySeconds) = (times.bytes, times.ready)
      (bucket.beganSeconds, bucket.endedSeconds) = (times.began, times.ended)
      return bucket
    }
  }
}
