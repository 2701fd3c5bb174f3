@_exported import Graphs

/// The failure of a gradient rule asked for the gradient of a gradient, which training never needs.
func notTwice(_ operation: any Operation) -> Failure {
  Failure(.usage, "\(operation.name): second derivatives are not available")
}

/// The failure of a shape rule.
func misfit(_ operation: any Operation, _ inputs: [TensorType], _ why: String) -> Failure {
  Failure(.usage, "\(operation.name) of \(inputs.map(\.description).joined(separator: ", ")): \(why)")
}
