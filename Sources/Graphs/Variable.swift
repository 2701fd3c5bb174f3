import Tensors

/// A tensor that outlives runs: a weight that is trained or a state that is kept.
public struct Variable: Sendable, Hashable {
  /// Who changes it.
  public enum Role: Sendable, Hashable {
    /// The optimizer; `decays` says whether weight decay applies.
    case parameter(decays: Bool)
    /// An operation, during training.
    case state
  }

  /// The values it starts from.
  public enum Start: Sendable, Hashable {
    case constant(Float)
    case normal(deviation: Float)
    case uniform(bound: Float)
  }

  /// Its name in files.
  public let name: String
  /// Its shape and element type in the engine.
  public let type: TensorType
  /// Who changes it.
  public let role: Role
  /// The values it starts from.
  public let start: Start
  /// Engine axis i is axis `axes[i]` in files.
  public let axes: [Int]

  /// A variable; `axes` left out: files keep it as the engine does.
  public init(_ name: String, _ type: TensorType, _ role: Role, start: Start, axes: [Int]? = nil) {
    self.name = name
    self.type = type
    self.role = role
    self.start = start
    self.axes = axes ?? Array(0..<type.shape.rank)
  }

  /// Whether the optimizer trains it.
  public var isParameter: Bool { role != .state }

  /// The shape in files.
  public var fileShape: Shape {
    var extents = [Int](repeating: 0, count: axes.count)
    for (engine, file) in axes.enumerated() { extents[file] = type.shape[engine] }
    return Shape(extents)
  }
}
