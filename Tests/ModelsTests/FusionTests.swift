import Models
import Testing

/// The table of fusions: every rule is used, and none changes a value.
struct FusionTests {
  private static let network: DMSNet = {
    var configuration = Configuration()
    (configuration.block, configuration.blocks, configuration.stem) = (.bottleneck, [4, 2, 1, 1], 8)
    (configuration.width, configuration.embedding, configuration.heads) = (32, 16, 4)
    do { return try DMSNet(configuration) } catch { preconditionFailure("\(error)") }
  }()

  private struct Result {
    let steps: Int
    let logits, evaluated: [Float]
    let gradients: [String: [Float]]
  }

  /// An evaluation, a step and another that adds its gradients to the first one's, each of two pairs, with the rules that `isUsed` says.
  private func run(_ isUsed: (Int) -> Bool) throws -> Result {
    var lowerings = Lowerings.processor()
    lowerings.fusions = lowerings.fusions.enumerated().filter { isUsed($0.offset) }.map(\.element)
    let step = try Self.network.training(pairs: 2, height: 64, width: 64, recomputes: true)
    let again = try Self.network.training(pairs: 2, height: 64, width: 64, recomputes: true, accumulates: true)
    let variables = try Variables(step.graph.variables, gradientOrder: step.gradients.map(\.variable.name))
    variables.initialise(seed: 1)
    let team = try ThreadTeam(count: 2)
    let evaluation = try Self.network.inference(pairs: 2, height: 64, width: 64)
    let programs = [
      try Program(
        again.graph, outputs: again.outputs, gradients: again.gradients, variables: variables, arena: Arena(),
        team: team, lowerings: lowerings),
      try Program(
        step.graph, outputs: step.outputs, gradients: step.gradients, variables: variables, arena: Arena(), team: team,
        lowerings: lowerings),
      try Program(
        evaluation.graph, outputs: evaluation.outputs, variables: variables, arena: Arena(), team: team, folding: true,
        lowerings: lowerings),
    ]
    for program in programs.reversed() {
      var stream = CounterRandom(seed: 9).stream(.test)
      program.set("images", (0..<4 * 64 * 64 * 3).map { _ in stream.uniform(-1, 1) })
      let labels = Self.network.configuration.labels
      program.set("labels", (0..<2 * labels).map { Float($0 % 3 / 2) })
      program.set("eye_labels", (0..<4 * labels).map { Float($0 % 5 / 4) })
      program.set("pairs", [2])
      program.run()
    }
    let names = variables.parameters.map { variables.list[$0].name }
    return Result(
      steps: programs.reduce(0) { $0 + $1.steps.count }, logits: programs[1].output("logits")?.values ?? [],
      evaluated: programs[2].output("logits")?.values ?? [],
      gradients: Dictionary(
        uniqueKeysWithValues: zip(names, variables.parameters.map { variables.gradientTensor($0).values })))
  }

  /// Sums may be taken in another order, nothing else.
  private func expect(_ found: Result, like expected: Result, _ what: String) {
    func off(_ a: [Float], _ b: [Float]) -> Float {
      let largest = b.map(abs).max() ?? 0
      return (zip(a, b).map { abs($0 - $1) }.max() ?? .infinity) / (largest + 1e-4)
    }
    #expect(off(found.logits, expected.logits) < 1e-4, "\(what): logits")
    #expect(off(found.evaluated, expected.evaluated) < 1e-4, "\(what): evaluation")
    for (name, gradient) in expected.gradients {
      #expect(off(found.gradients[name] ?? [], gradient) < 2e-3, "\(what): gradient of \(name)")
    }
  }

  @Test func everyRuleSavesStepsAndChangesNoValue() throws {
    let fused = try run { _ in true }
    let count = Lowerings.processor().fusions.count
    for rule in 0..<count {
      let without = try run { $0 != rule }
      #expect(without.steps > fused.steps, "rule \(rule) of the table is not used")
      expect(without, like: fused, "without rule \(rule)")
    }
    let plain = try run { _ in false }
    expect(plain, like: fused, "without any rule")
    #expect(plain.steps > fused.steps + 100)
  }
}
