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
  private let peers: (any Peers)?
  private let arena = Arena()
  private var trainingPrograms: [Training: Program] = [:]
  private var inferencePrograms: [Int: Program] = [:]

  /// A replica at its start for `seed`, or at zero where that is nil, for all will be loaded; `trains`: with room for gradients;
  /// `recomputes`: fewer block sums are kept; `peers`: the ranks with which training shares batch norm's moments.
  public init(
    _ network: DMSNet, height: Int, width: Int, threads: Int, seed: UInt64?, trains: Bool = true,
    recomputes: Bool = false, peers: (any Peers)? = nil
  ) throws {
    self.network = network
    size = (height, width)
    (self.recomputes, self.peers) = (recomputes, peers)
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
    let stepPairs: Int?
  }

  /// The training step for `pairs` pairs; `accumulates`: it adds its gradients to those that are there. `stepPairs`: of the whole step
  /// (nil: no more than these), which matters where moments are shared.
  public func training(pairs: Int, accumulates: Bool = false, stepPairs: Int? = nil) throws -> Program {
    let key = Training(pairs: pairs, accumulates: accumulates, stepPairs: peers == nil ? nil : stepPairs ?? pairs)
    if let program = trainingPrograms[key] { return program }
    let description = try network.training(
      pairs: pairs, height: size.height, width: size.width, recomputes: recomputes, accumulates: accumulates,
      stepPairs: key.stepPairs)
    let program = try Program(
      description.graph, outputs: description.outputs, gradients: description.gradients, variables: variables,
      arena: arena, team: team, lowerings: .processor(peers: peers))
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
