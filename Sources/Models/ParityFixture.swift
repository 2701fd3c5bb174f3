import Foundation
import Operations

/// One training step and one evaluation of the reference, written by `make_fixture.py`, and how far the engine is from it.
public struct ParityFixture {
  /// One comparison: how far off, and how far off it may be.
  public struct Comparison: Sendable {
    /// What was compared.
    public let name: String
    /// The relative error.
    public let error: Double
    /// The fixture's bar.
    public let bar: Double
    /// Whether the bar holds; an error that is not a number never does.
    public var holds: Bool { error <= bar }
  }

  private let file: Safetensors
  private let network: DMSNet
  private let left, right: Tensor

  /// Reads a fixture's description.
  public init(path: String) throws {
    let file = try Safetensors(path: path)
    func decode<T: Decodable>(_ type: T.Type, _ key: String) throws -> T {
      guard let text = file.metadata[key] else { throw Failure(.data, "\(path): metadata \(key) is missing") }
      do { return try JSONDecoder().decode(type, from: Data(text.utf8)) } catch {
        throw Failure(.data, "\(path): metadata \(key) is not as expected")
      }
    }
    self.file = file
    let (configuration, loss) = (try decode(Configuration.self, "config"), try decode(LossWeights.self, "loss"))
    do { network = try DMSNet(configuration, loss: loss) } catch let failure as Failure {
      throw Failure(.data, "\(path): metadata config or loss: \(failure.message)")
    }
    // Before a graph is made that the file could never fill.
    for (stage, count) in configuration.blocks.enumerated() {
      let last = "weights/trunk.layer\(stage + 1).\(count - 1).conv1.weight"
      guard file.entries[last] != nil else { throw Failure(.data, "\(path): tensor \(last) is missing") }
    }
    left = try file.tensor("input/left")
    right = try file.tensor("input/right")
    guard left.shape.rank == 4, left.shape == right.shape, left.shape[1] == 3,
      DMSNet.pairs.contains(left.shape[0]), DMSNet.extents.contains(left.shape[2]),
      DMSNet.extents.contains(left.shape[3])
    else {
      throw Failure(.data, "\(path): input/left has shape \(left.shape), expected [B, 3, H, W] like input/right")
    }
  }

  /// Runs the step and the evaluation on `threads` threads and compares everything the fixture holds.
  public func compare(threads: Int) throws -> [Comparison] {
    let pairs = left.shape[0]
    let replica = try Replica(network, height: left.shape[2], width: left.shape[3], threads: threads, seed: nil)
    let report = try replica.variables.load(file, from: "weights/")
    guard report.missing.isEmpty, report.unused.isEmpty else {
      throw Failure(
        .data,
        "\(file.path): tensors \((report.missing.map { "weights/" + $0 } + report.unused).prefix(3).joined(separator: ", ")) are missing or not the model's"
      )
    }
    let images = Tensor([2 * pairs, 3, left.shape[2], left.shape[3]], left.values + right.values).transposed([
      0, 2, 3, 1,
    ])

    let evaluation = try replica.inference(pairs: pairs)
    evaluation.set("images", images.values)
    evaluation.run()
    var result = try outputs("eval", evaluation)

    let step = try replica.training(pairs: pairs)
    step.set("images", images.values)
    let labels = network.configuration.labels
    step.set("labels", try tensor("input/labels", [pairs, labels]).values)
    step.set("eye_labels", try tensor("input/eye_labels", [2, pairs, labels]).values)
    step.set("pairs", [Float(pairs)])
    step.run()
    result += try outputs("train", step)
    for name in ["loss", "loss_patient", "loss_eyes", "loss_contrast"] where file.entries["train/\(name)"] != nil {
      result.append(try compare("train/\(name)", step.output(name), bar: "loss"))
    }
    return try result + statistics(replica.variables) + gradients(replica.variables)
  }

  private func tensor(_ name: String, _ shape: Shape) throws -> Tensor {
    let tensor = try file.tensor(name)
    guard tensor.shape == shape else {
      throw Failure(.data, "\(file.path): \(name) has shape \(tensor.shape), expected \(shape)")
    }
    return tensor
  }

  private func bar(_ name: String) throws -> Double {
    let values = try file.tensor("bar/\(name)").values
    guard values.count == 1, values[0].isFinite, values[0] >= 0 else {
      throw Failure(.data, "\(file.path): bar/\(name) is \(values.prefix(2)), expected one number from 0 up")
    }
    return Double(values[0])
  }

  /// Largest difference relative to the largest value.
  private func compare(_ name: String, _ found: Tensor?, bar: String) throws -> Comparison {
    let expected = try file.tensor(name)
    guard let found, found.shape.count == expected.shape.count else {
      throw Failure(
        .data, "\(file.path): \(name) has shape \(expected.shape), the model's is \(found?.shape.description ?? "none")"
      )
    }
    var (difference, largest) = (0.0, 1e-12)
    for (a, b) in zip(found.values, expected.values) {
      let miss = abs(Double(a) - Double(b))
      difference = miss.isNaN ? .nan : max(difference, miss)
      largest = max(largest, abs(Double(b)))
    }
    return Comparison(name: name, error: difference / largest, bar: try self.bar(bar))
  }

  private func outputs(_ mode: String, _ program: Program) throws -> [Comparison] {
    try ["logits", "eyes", "embeddings"].filter { file.entries["\(mode)/\($0)"] != nil }
      .map { try compare("\(mode)/\($0)", program.output($0), bar: "logits") }
  }

  /// Running statistics after the step.
  private func statistics(_ variables: Variables) throws -> [Comparison] {
    try variables.list.indices.filter { file.entries["after/\(variables.list[$0].name)"] != nil }
      .map { try compare("after/\(variables.list[$0].name)", variables.tensor($0), bar: "logits") }
  }

  /// Gradients at sampled places: each tensor's RMS error relative to its RMS plus a thousandth of the largest tensor's; and
  /// their norms, relative to the norm plus a thousandth of the largest.
  private func gradients(_ variables: Variables) throws -> [Comparison] {
    func rms(_ values: [Double]) -> Double {
      (values.reduce(0) { $0 + $1 * $1 } / Double(max(1, values.count))).squareRoot()
    }
    let bar = try bar("gradient")
    let names = variables.parameters.map { variables.list[$0].name }
    let expected = try names.map { try file.tensor("gradient/\($0)").values.map(Double.init) }
    let norms = try names.map { name in
      guard let norm = try file.tensor("gradient_norm/\(name)").values.first else {
        throw Failure(.data, "\(file.path): gradient_norm/\(name) is empty")
      }
      return Double(norm)
    }
    let floor = (expected.map(rms).max() ?? 0) / 1000
    let normFloor = (norms.max() ?? 0) / 1000
    var result: [Comparison] = []
    for (place, index) in variables.parameters.enumerated() {
      let found = variables.gradientTensor(index).values
      let samples = expected[place]
      let errors = samples.enumerated().map { Double(found[$0.offset * found.count / samples.count]) - $0.element }
      result.append(Comparison(name: "gradient/\(names[place])", error: rms(errors) / (rms(samples) + floor), bar: bar))
      let norm = found.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      result.append(
        Comparison(
          name: "gradient_norm/\(names[place])", error: abs(norm - norms[place]) / (norms[place] + normFloor), bar: bar)
      )
    }
    return result
  }
}
