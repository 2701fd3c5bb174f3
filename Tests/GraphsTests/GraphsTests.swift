import Glibc
import Graphs
import Lowering
import Testing

struct ProgramTests {
  /// A random graph of element-wise operations, splits and joins over one shape, with many values alive at once.
  private func randomGraph(_ seed: UInt64) throws -> (
    graph: Graph, outputs: [String: Symbol], reference: ([Float]) -> [Float]
  ) {
    var stream = CounterRandom(seed: seed).stream(.test)
    let graph = Graph()
    let count = 8
    var symbols = [graph.input("x", TensorType([2, count]))]
    var functions: [@Sendable ([Float]) -> [Float]] = [{ $0 }]
    for _ in 0..<25 {
      let (i, j) = (stream.below(symbols.count), stream.below(symbols.count))
      let (f, g) = (functions[i], functions[j])
      switch stream.below(5) {
      case 0:
        symbols.append(try symbols[i].plus(symbols[j]))
        functions.append { x in zip(f(x), g(x)).map { $0 + $1 } }
      case 1:
        symbols.append(try symbols[i].minus(symbols[j]))
        functions.append { x in zip(f(x), g(x)).map { $0 - $1 } }
      case 2:
        symbols.append(try symbols[i].relu())
        functions.append { x in f(x).map { max(0, $0) } }
      case 3:
        symbols.append(try symbols[i].scaled(by: 0.5))
        functions.append { x in f(x).map { 0.5 * $0 } }
      default:
        let parts = try symbols[i].split(2)
        symbols.append(try parts[1].concatenated([parts[0]], axis: 0))
        functions.append { x in
          let y = f(x)
          return Array(y[count...] + y[..<count])
        }
      }
    }
    let last = functions[functions.count - 1]
    return (graph, ["y": symbols[symbols.count - 1]], last)
  }

  @Test func sharedMemoryNeverMixesLivingValues() throws {
    for seed in UInt64(0)..<60 {
      let (graph, outputs, reference) = try randomGraph(seed)
      let program = try Program(
        graph, outputs: outputs, variables: Variables([]), arena: Arena(), team: ThreadTeam(count: 1))
      for round in 0..<2 {
        let x = (0..<16).map { Float($0 * 7 % 5) - 2 + Float(round) }
        program.set("x", x)
        program.run()
        #expect(program.output("y")?.values == reference(x), "seed \(seed), run \(round)")
      }
      #expect(program.arenaBytes.planned >= program.arenaBytes.lowerBound)
    }
  }

  @Test func aChainNeedsTwoPlacesAtMost() throws {
    let graph = Graph()
    var x = graph.input("x", TensorType([1024]))
    for _ in 0..<20 { x = try x.relu().scaled(by: 2) }
    let program = try Program(
      graph, outputs: ["y": x], variables: Variables([]), arena: Arena(), team: ThreadTeam(count: 1))
    #expect(program.arenaBytes.planned <= 2 * 4096)
  }

  /// Batch norm waits for its consumer where that can take it in; where it cannot, or the value is read, it runs.
  @Test func normsAreComputedOnLoadingOrNot() throws {
    func run(keepsNorm: Bool) throws -> [Float] {
      let graph = Graph()
      let x = graph.input("x", TensorType([2, 3, 3, 4]))
      let norm = try x.batchNorm(BatchNormVariables(graph, "norm", channels: 4), relu: false, isTraining: true)
      let y = try norm.residualSum(x)
      let variables = try Variables(graph.variables)
      variables.initialise(seed: 0)
      let program = try Program(
        graph, outputs: keepsNorm ? ["y": y, "norm": norm] : ["y": y], variables: variables, arena: Arena(),
        team: ThreadTeam(count: 1))
      #expect(program.steps.contains { $0.name == "batch-norm" } == keepsNorm)
      program.set("x", (0..<72).map { Float($0 * 31 % 17) })
      program.run()
      return program.output("y")?.values ?? []
    }
    #expect(try run(keepsNorm: true) == run(keepsNorm: false))
  }

  /// What a convolution loads from a norm that waits is what it would have read, whichever way it is computed.
  @Test(arguments: [(1, 1, 0), (3, 1, 1), (3, 2, 1), (7, 2, 3)], [ConvolutionAlgorithm.direct, .winograd])
  func convolutionsTakeInNorms(_ geometry: (kernel: Int, stride: Int, padding: Int), _ algorithm: ConvolutionAlgorithm)
    throws
  {
    func run(keepsNorm: Bool) throws -> [[Float]] {
      let graph = Graph()
      let x = graph.variable(Variable("x", TensorType([2, 9, 7, 40]), .parameter(decays: true), start: .constant(0)))
      let norm = try x.batchNorm(BatchNormVariables(graph, "norm", channels: 40), relu: true, isTraining: true)
      let shape: Shape = [geometry.kernel, geometry.kernel, 40, 48]
      let weight = graph.variable(
        Variable("w", TensorType(shape), .parameter(decays: true), start: .normal(deviation: 0.1)))
      let y = try norm.convolution(weight, stride: geometry.stride, padding: geometry.padding)
      let last = try y.batchNorm(BatchNormVariables(graph, "last", channels: 48), relu: true, isTraining: true)
      let all = try last.times(last).reshaped([last.shape.count]).sum(axes: 0..<1, keepsAxes: true)
      let gradients = try graph.differentiate(all) { try $0.plus($1) }
      let variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
      variables.initialise(seed: 0)
      var stream = CounterRandom(seed: 5).stream(.test)
      for i in variables.values(0).indices { variables.values(0)[i] = stream.normal() + 0.5 }
      let program = try Program(
        graph, outputs: keepsNorm ? ["y": y, "norm": norm] : ["y": y], gradients: gradients, variables: variables,
        arena: Arena(), team: ThreadTeam(count: 2), lowerings: .processor(algorithm))
      #expect(program.steps.contains { $0.name == "batch-norm" && $0.outputs == [norm.type] } == keepsNorm)
      #expect(program.steps.contains { $0.name == "convolution" && $0.followers == ["batch-moments"] })
      program.run()
      return [program.output("y")?.values ?? []]
        + variables.parameters.map { variables.gradientTensor($0).values }
    }
    let (kept, taken) = (try run(keepsNorm: true), try run(keepsNorm: false))
    #expect(kept == taken && kept[0].contains { $0 != 0 })
  }

  /// Values that are rebuilt are those that would have been kept, in less memory.
  @Test func rebuildingSavesMemory() throws {
    func run(keeping: Int) throws -> (gradient: [Float], bytes: Int) {
      let graph = Graph()
      let w = graph.variable(Variable("w", TensorType([64, 64]), .parameter(decays: true), start: .uniform(bound: 1)))
      let shift = graph.variable(Variable("shift", w.type, .state, start: .uniform(bound: 0.3)))
      var x = try w.scaled(by: 1)
      for _ in 0..<32 { x = try x.residualSum(shift) }
      let loss = try x.reshaped([x.shape.count]).sum(axes: 0..<1, keepsAxes: true)
      let gradients = try graph.differentiate(loss) { try $0.plus($1) }
      graph.rematerialise(keeping: keeping)
      let variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
      variables.initialise(seed: 3)
      let program = try Program(
        graph, outputs: ["loss": loss], gradients: gradients, variables: variables, arena: Arena(),
        team: ThreadTeam(count: 1))
      program.run()
      return (variables.gradientTensor(0).values, program.arenaBytes.planned)
    }
    let (all, half, few) = (try run(keeping: 1), try run(keeping: 2), try run(keeping: 4))
    #expect(all.gradient == half.gradient && half.gradient == few.gradient)
    #expect(half.bytes < all.bytes && few.bytes < half.bytes)
  }

  @Test func whatDependsOnVariablesAloneIsFolded() throws {
    let graph = Graph()
    let w = graph.variable(Variable("w", TensorType([4]), .parameter(decays: true), start: .constant(3)))
    let y = try graph.input("x", TensorType([4])).plus(w.times(w))
    let variables = try Variables(graph.variables)
    variables.initialise(seed: 0)
    let program = try Program(
      graph, outputs: ["y": y], variables: variables, arena: Arena(), team: ThreadTeam(count: 1), folding: true)
    program.set("x", [0, 1, 2, 3])
    program.run()
    #expect(program.output("y")?.values == [9, 10, 11, 12])
    variables.set(0, Tensor([4], [1, 1, 1, 1]))
    program.run()
    #expect(program.output("y")?.values == [9, 10, 11, 12], "folded values stay until they are prepared anew")
    program.prepare()
    program.run()
    #expect(program.output("y")?.values == [1, 2, 3, 4])
  }

  @Test func variablesThatShareAGradientEachGetIt() throws {
    let graph = Graph()
    let a = graph.variable(Variable("a", TensorType([3]), .parameter(decays: true), start: .constant(1)))
    let b = graph.variable(Variable("b", TensorType([3]), .parameter(decays: true), start: .constant(1)))
    let loss = try a.residualSum(b).sum(axes: 0..<1, keepsAxes: true)
    let gradients = try graph.differentiate(loss) { try $0.plus($1) }
    let variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
    variables.initialise(seed: 0)
    let program = try Program(
      graph, outputs: ["loss": loss], gradients: gradients, variables: variables, arena: Arena(),
      team: ThreadTeam(count: 2))
    program.run()
    #expect(variables.gradientTensor(0).values == [1, 1, 1])
    #expect(variables.gradientTensor(1).values == [1, 1, 1])
  }

  /// A map that two convolutions read has the sum of both gradients, added by one of them; so it has where the first sum is read by
  /// something else, and must stay.
  @Test(arguments: [false, true]) func gradientsThatMeetAreAccumulated(_ isReadElsewhere: Bool) throws {
    func gradient(_ fuses: Bool) throws -> (values: [Float], sums: Int) {
      let graph = Graph()
      let parameter = { (name: String, shape: Shape) in
        graph.variable(Variable(name, TensorType(shape), .parameter(decays: true), start: .uniform(bound: 1)))
      }
      let x = try parameter("x", [2, 5, 6, 24]).scaled(by: 1)
      var sum = try x.convolution(parameter("a", [3, 3, 24, 40]), padding: 1)
      sum = try sum.plus(x.convolution(parameter("b", [1, 1, 24, 40])))
      if isReadElsewhere { sum = try sum.plus(x.sum(axes: 3..<4, keepsAxes: true)) }
      let loss = try sum.times(sum).reshaped([sum.shape.count]).sum(axes: 0..<1, keepsAxes: true)
      let gradients = try graph.differentiate(loss) { try $0.plus($1) }
      let variables = try Variables(graph.variables, gradientOrder: gradients.map(\.variable.name))
      variables.initialise(seed: 2)
      var lowerings = Lowerings.processor()
      if !fuses { lowerings.fusions = [] }
      let program = try Program(
        graph, outputs: ["loss": loss], gradients: gradients, variables: variables, arena: Arena(),
        team: ThreadTeam(count: 2), lowerings: lowerings)
      program.run()
      let sums = program.steps.filter { $0.name == "add" && $0.outputs == [x.type] }.count
      return (variables.gradientTensor(0).values, sums)
    }
    let (fused, plain) = (try gradient(true), try gradient(false))
    #expect(fused.sums == 0 && plain.sums == (isReadElsewhere ? 2 : 1))
    let largest = plain.values.map(abs).max() ?? 0
    #expect(largest > 0 && zip(fused.values, plain.values).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
  }

  @Test func whatHasNoLoweringIsNamed() throws {
    let graph = Graph()
    let y = try graph.input("x", TensorType([4], .int32)).relu()
    let failure = #expect(throws: Failure.self) {
      try Program(graph, outputs: ["y": y], variables: Variables([]), arena: Arena(), team: ThreadTeam(count: 1))
    }
    #expect(failure?.message == "relu: no lowering for I32")
  }
}
