extension Graph {
  /// Adds each of `gradients`, as `differentiate` returned them, to what earlier runs have left in its place: the sums that are to be
  /// kept instead. Each sum stands right behind its gradient, so that it is final as early.
  public func accumulate(
    _ gradients: [(variable: Variable, gradient: Symbol)], add: (Symbol, Symbol) throws -> Symbol
  ) throws -> [(variable: Variable, gradient: Symbol)] {
    isDifferentiating = true
    defer { isDifferentiating = false }
    return try gradients.map { variable, gradient in
      let place = (nodes.lastIndex { $0.outputs.contains(gradient.id) } ?? nodes.count - 1) + 1
      let sum = try scope("accumulation") { try add(gradient, append(.gradient(variable), variable.type)) }
      nodes.insert(nodes.removeLast(), at: place)
      return (variable, sum)
    }
  }
}
