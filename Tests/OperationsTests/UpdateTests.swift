import Glibc
import Lowering
import Testing

/// Passes over all weights, against their formulas in double precision; tensors of more weights than a thread takes at once, and of
/// few.
struct UpdateTests {
  private static let shapes: [(shape: Shape, decays: Bool)] = [([300, 301], true), ([7], false), ([3, 5], true)]

  /// Weights and gradients drawn from a seed.
  private struct Model {
    let variables: Variables
    let program: Program
    let team: ThreadTeam
    private var stream = CounterRandom(seed: 11).stream(.test)

    init(threads: Int) throws {
      let graph = Graph()
      var loss: Symbol?
      for (index, entry) in UpdateTests.shapes.enumerated() {
        let weight = graph.variable(
          Variable(
            "w\(index)", TensorType(entry.shape), .parameter(decays: entry.decays), start: .uniform(bound: 1)))
        let sum = try weight.reshaped([entry.shape.count]).sum(axes: 0..<1, keepsAxes: true)
        loss = try loss?.plus(sum) ?? sum
      }
      let gradients = try graph.differentiate(#require(loss)) { try $0.plus($1) }
      variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
      variables.initialise(seed: 3)
      team = try ThreadTeam(count: threads)
      program = try Program(
        graph, outputs: [:], gradients: gradients, variables: variables, arena: Arena(), team: team)
    }

    var weights: [[Float]] { variables.parameters.map { Array(variables.values($0)) } }

    /// Draws new gradients.
    mutating func draw() -> [[Float]] {
      variables.parameters.map { index in
        guard let gradient = variables.gradient(index) else { return [] }
        for i in gradient.indices { gradient[i] = stream.uniform(-2, 2) }
        return Array(gradient)
      }
    }
  }

  /// Runs `steps` steps of `apply` and of `reference`, which is given weight, gradient, two moments and whether the weight decays,
  /// and compares; the weights at the end.
  private func compare(
    threads: Int, decaysAll: Bool = false, steps: Int = 5,
    apply: (WeightUpdate, ThreadTeam, _ step: Int) -> Void,
    reference: (inout Double, Double, inout Double, inout Double, _ decays: Bool, _ step: Int) -> Void
  ) throws -> [[Float]] {
    var model = try Model(threads: threads)
    let update = try WeightUpdate(model.variables, states: 2) {
      var treatment = WeightUpdate.Treatment($0)
      treatment.decays = treatment.decays || decaysAll
      return treatment
    }
    var expected = model.weights.map { $0.map(Double.init) }
    var firsts = expected.map { Array(repeating: 0.0, count: $0.count) }
    var seconds = firsts
    for step in 1...steps {
      let gradients = model.draw()
      apply(update, model.team, step)
      for (tensor, gradient) in gradients.enumerated() {
        let decays = decaysAll || Self.shapes[tensor].decays
        for i in gradient.indices {
          reference(
            &expected[tensor][i], Double(gradient[i]), &firsts[tensor][i], &seconds[tensor][i], decays, step)
        }
      }
    }
    for (found, expected) in zip(model.weights, expected) {
      let worst = largestDifference(found, expected)
      #expect(worst < 2e-5, "off by \(worst)")
    }
    for (tensor, index) in model.variables.parameters.enumerated() {
      let found = update.state(0, of: index, in: model.variables)
      #expect(found.count == firsts[tensor].count && largestDifference(found, firsts[tensor]) < 2e-5)
    }
    return model.weights
  }

  @Test(arguments: [false, true])
  func sgd(_ decaysAll: Bool) throws {
    let found = try [1, 3].map { threads in
      try compare(threads: threads, decaysAll: decaysAll) { update, team, step in
        update.apply(.sgd(momentum: 0.8), rate: 0.1 / Float(step), decay: 0.25, scale: 0.5, team: team)
      } reference: { w, gradient, v, _, decays, step in
        v = 0.8 * v + 0.5 * gradient + (decays ? 0.25 : 0) * w
        w -= 0.1 / Double(step) * v
      }
    }
    #expect(found[0] == found[1])
  }

  @Test func adamw() throws {
    let found = try [1, 2].map { threads in
      try compare(threads: threads) { update, team, step in
        update.apply(
          .adamw(
            beta1: 0.75, beta2: 0.875, epsilon: 0.0625, first: 1 - pow(0.75, Float(step)),
            second: 1 - pow(0.875, Float(step))), rate: 0.05, decay: 0.5, scale: 0.25, team: team)
      } reference: { w, gradient, m, v, decays, step in
        m = 0.75 * m + 0.25 * (0.25 * gradient)
        v = 0.875 * v + 0.125 * (0.25 * gradient) * (0.25 * gradient)
        w *= 1 - 0.05 * (decays ? 0.5 : 0)
        let (first, second) = (1 - pow(0.75, Double(step)), 1 - pow(0.875, Double(step)))
        w -= 0.05 * (m / first) / ((v / second).squareRoot() + 0.0625)
      }
    }
    #expect(found[0] == found[1])
  }

  @Test func anAverageMovesTowardsTheWeights() throws {
    // The average is kept in state 0, which begins at zero; the weights stay.
    _ = try compare(threads: 2) { update, team, step in
      update.apply(.average(share: 1 / Float(step + 1)), team: team)
    } reference: { w, _, average, _, _, step in
      average += (w - average) / Double(step + 1)
    }
  }

  /// Weights of a tensor's own rate move by that much; frozen ones keep every bit while their moments go on, and do not count in
  /// the norm, which still shows that one of their gradients is not finite.
  @Test func someWeightsMoveSlowerOrNotAtAll() throws {
    for rule in [
      WeightUpdate.Rule.sgd(momentum: 0.5), .adamw(beta1: 0.5, beta2: 0.5, epsilon: 0.1, first: 1, second: 1),
    ] {
      var (plain, other) = (try Model(threads: 2), try Model(threads: 2))
      let names = plain.variables.parameters.map { plain.variables.list[$0].name }
      let (slow, frozen) = (names[0], names[1])
      let update = try WeightUpdate(plain.variables, states: 2)
      let treated = try WeightUpdate(other.variables, states: 2) {
        var treatment = WeightUpdate.Treatment($0)
        treatment.rate = $0.name == slow ? 0.25 : 1
        treatment.isFreezable = $0.name == frozen
        return treatment
      }
      for model in [plain, other] { model.variables.values(model.variables.parameters[1])[0] = -0.0 }
      let before = plain.weights
      let gradients = (plain.draw(), other.draw())
      #expect(gradients.0 == gradients.1)
      update.apply(rule, rate: 0.5, decay: 0.1, team: plain.team)
      treated.apply(rule, rate: 0.5, decay: 0.1, frozen: true, team: other.team)
      for tensor in names.indices {
        let index = plain.variables.parameters[tensor]
        #expect(
          Array(update.state(0, of: index, in: plain.variables))
            == Array(
              treated.state(0, of: index, in: other.variables)))
        for (i, start) in before[tensor].enumerated() {
          let (moved, found) = (plain.weights[tensor][i], other.weights[tensor][i])
          switch names[tensor] {
          case slow: #expect(abs((found - start) - 0.25 * (moved - start)) < 1e-6)
          case frozen: #expect(found.bitPattern == start.bitPattern)
          default: #expect(found.bitPattern == moved.bitPattern)
          }
        }
      }
      let moving = gradients.0.enumerated().filter { $0.offset != 1 }.flatMap(\.element)
      let expected = moving.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(treated.gradientNorm(frozen: true, team: other.team) { _ in } / expected - 1) < 1e-12)
      #expect(treated.gradientNorm(team: other.team) { _ in } > expected)
      other.variables.gradient(other.variables.parameters[1])?[0] = .nan
      #expect(treated.gradientNorm(frozen: true, team: other.team) { _ in }.isNaN)
      treated.apply(rule, rate: 0.5, team: other.team)
      #expect(other.weights[1] != before[1])
    }
  }

  @Test(arguments: [1, 2, 3])
  func theNormIsOverAllGradients(_ threads: Int) throws {
    var model = try Model(threads: threads)
    let update = try WeightUpdate(model.variables, states: 0)
    let expected = model.draw().joined().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    let before = model.weights
    #expect(abs(update.gradientNorm(team: model.team) { _ in } / expected - 1) < 1e-12)
    #expect(model.weights == before)
  }
}
