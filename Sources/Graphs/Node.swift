extension Graph {
  /// What runs as one step: an operation and, after fusion, what follows it piece by piece.
  struct Node {
    /// The operations in order; the first leads.
    var parts: [Part]
    /// Where in the model it stands.
    let label: String
    /// Whether it belongs to the backward pass.
    let isBackward: Bool
    /// Whether it runs once, when variables change, rather than at every run.
    var isPrepared = false

    /// One operation alone.
    init(_ operation: any Operation, inputs: [Int], outputs: [Int], label: String, isBackward: Bool) {
      parts = [Part(operation: operation, inputs: inputs.map { Input(symbol: $0) }, outputs: outputs)]
      (self.label, self.isBackward) = (label, isBackward)
    }

    /// What its operations make.
    var outputs: [Int] { parts.flatMap(\.outputs) }
    /// What its operations read in memory.
    var reads: [Int] { parts.flatMap(\.reads) }
    /// Whether it changes a variable.
    var hasEffect: Bool { parts.contains { $0.operation.traits.hasEffect } }
  }

  /// An operation applied to symbols.
  struct Part {
    var operation: any Operation
    var inputs: [Input]
    var outputs: [Int]

    /// What it reads in memory.
    var reads: [Int] { inputs.flatMap(\.reads) }
  }

  /// A value that an operation reads: in memory, or computed on loading.
  struct Input {
    let symbol: Int
    /// The operation that makes the value on loading, and what it reads; nil: the value lies in memory.
    var prologue: (operation: any Operation, inputs: [Int])?

    /// What is read in memory.
    var reads: [Int] { prologue?.inputs ?? [symbol] }
  }
}
