import Lowering

/// One rank's copy of the network: its variables, its threads, and its programs, compiled when first asked for.
public final class Replica {
  /// The network.
  public let network: DMSNet
  /// Height and width of the photographs in pixels.
  public let size: (height: Int, width: Int)
  /// Parameters, running statistics and gradients.
  public let variables: Variables
  /// The threads that run the programs.
  public let team: ThreadTeam
  private let recomputes: Bool
  private let table: StepTable?
  private let arena = Arena()
  /// Memory of the training programs that run side by side, by their number; empty where they run one after the other.
  private var seats: [(arena: Arena, gradients: Storage)] = []
  private var trainingPrograms: [Training: Program] = [:]
  private var inferencePrograms: [Int: Program] = [:]

  /// A replica at its start for `seed`, or at zero where that is nil, for all will be loaded; `trains`: with room for gradients;
  /// `recomputes`: fewer block sums are kept; `table`: where the programs of a step meet, if batch norm is over all its pairs.
  public init(
    _ network: DMSNet, height: Int, width: Int, threads: Int, seed: UInt64?, trains: Bool = true,
    recomputes: Bool = false, table: StepTable? = nil
  ) throws {
    self.network = network
    size = (height, width)
    (self.recomputes, self.table) = (recomputes, table)
    team = try ThreadTeam(count: threads)
    let description =
      trains
      ? try network.training(pairs: 1, height: height, width: width)
      : try network.inference(pairs: 1, height: height, width: width)
    variables = try Variables(
      description.graph.variables, gradientOrder: description.gradients.map(\.variable.name))
    if let seed { variables.initialise(seed: seed) }
  }

  /// What sets training programs apart.
  private struct Training: Hashable {
    let pairs: Int
    let accumulates: Bool
    /// Where it runs side by side with others: its number among them, and the pairs of the whole step.
    var seat: Int?
    var stepPairs: Int?
  }

  /// The training step for `pairs` pairs; `accumulates`: it adds its gradients to those that are there.
  public func training(pairs: Int, accumulates: Bool = false) throws -> Program {
    try program(Training(pairs: pairs, accumulates: accumulates))
  }

  /// The training step for `pairs` pairs of a step of `stepPairs`, over all of which norms are: number `seat` of this rank's programs
  /// that run side by side. It leaves its gradients in an array of its own.
  public func training(pairs: Int, stepPairs: Int, seat: Int) throws -> Program {
    while seats.count <= seat { seats.append((Arena(), try variables.gradientArray())) }
    return try program(Training(pairs: pairs, accumulates: false, seat: seat, stepPairs: stepPairs))
  }

  /// Where the program at `seat` leaves its gradients.
  public func gradients(seat: Int) -> Storage { seats[seat].gradients }

  private func program(_ key: Training) throws -> Program {
    if let program = trainingPrograms[key] { return program }
    let description = try network.training(
      pairs: key.pairs, height: size.height, width: size.width, recomputes: recomputes, accumulates: key.accumulates,
      stepPairs: key.stepPairs)
    let seat = key.seat.map { seats[$0] }
    let program = try Program(
      description.graph, outputs: description.outputs, gradients: description.gradients, into: seat?.gradients,
      variables: variables, arena: seat?.arena ?? arena, team: team,
      lowerings: .processor(place: table.flatMap { table in key.seat.map { StepPlace(table, $0) } }))
    trainingPrograms[key] = program
    return program
  }

  /// Evaluation of `pairs` pairs, ready for the variables as they are now.
  public func inference(pairs: Int) throws -> Program {
    if let program = inferencePrograms[pairs] { return program }
    let description = try network.inference(pairs: pairs, height: size.height, width: size.width)
    let program = try Program(
      description.graph, outputs: description.outputs, variables: variables, arena: arena, team: team, folding: true)
    inferencePrograms[pairs] = program
    return program
  }

  /// To be called after variables changed and before evaluation.
  public func variablesChanged() { for program in inferencePrograms.values { program.prepare() } }
}
