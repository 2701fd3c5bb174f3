import Tensors

/// The memory of a model's variables and of their gradients: what outlives runs and what every program of a rank shares.
///
/// Parameters lie one behind another and gradients likewise, at the same places, so that the optimizer and the all-reduce see flat
/// arrays; each tensor starts on a cache line and the padding between is zero.
public final class Variables: @unchecked Sendable {
  // Unchecked: programs and the trainer take turns; the memory itself never moves.

  /// The variables in the order of their declaration.
  public let list: [Variable]
  /// Indices into `list` of those that are trained.
  public let parameters: [Int]
  private let byName: [String: Int]
  private let offsets: [Int]
  private let storage: Storage
  private let gradientStorage: Storage
  /// Indices into `list` of the parameters that have a gradient, in the order in which those become final.
  private let withGradient: [Int]
  /// Floats from the first to the last gradient, padding included.
  public let gradientCount: Int
  /// Floats from the first to the last parameter, padding included.
  public let parameterCount: Int

  /// Places `list`; `gradientOrder` names the parameters in the order in which their gradients become final, and leaves
  /// gradients out where it is empty.
  public init(_ list: [Variable], gradientOrder: [String] = []) throws {
    self.list = list
    byName = Dictionary(uniqueKeysWithValues: list.enumerated().map { ($0.element.name, $0.offset) })
    parameters = list.indices.filter { list[$0].isParameter }
    let byName = byName
    withGradient = gradientOrder.compactMap { byName[$0] }
    let isPlaced = Set(withGradient)
    var offsets = [Int](repeating: 0, count: list.count)
    var end = 0
    func place(_ indices: [Int]) -> Int {
      for index in indices {
        offsets[index] = end
        end += Storage.aligned(list[index].type.byteCount)
      }
      return end
    }
    let gradientBytes = place(withGradient)
    parameterCount = place(parameters.filter { !isPlaced.contains($0) }) / 4
    storage = try Storage(byteCount: place(list.indices.filter { !list[$0].isParameter }))
    self.offsets = offsets
    gradientCount = gradientBytes / 4
    gradientStorage = try Storage(byteCount: gradientBytes)
  }

  /// The index of the variable `name`.
  public func index(_ name: String) -> Int? { byName[name] }

  /// The first byte of variable `index`.
  public func address(_ index: Int) -> UnsafeMutableRawPointer { storage.base + offsets[index] }

  /// Variable `index` as float32 elements.
  public func values(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      start: address(index).assumingMemoryBound(to: Float.self), count: list[index].type.shape.count)
  }

  /// Another array for gradients, laid out as `gradients`.
  public func gradientArray() throws -> Storage { try Storage(byteCount: gradientStorage.byteCount) }

  /// The gradient of parameter `index`, in `array` where not in the variables' own; nil where none reaches it.
  public func gradient(_ index: Int, in array: Storage? = nil) -> UnsafeMutableBufferPointer<Float>? {
    guard list[index].isParameter, offsets[index] < gradientCount * 4 else { return nil }
    return UnsafeMutableBufferPointer(
      start: ((array ?? gradientStorage).base + offsets[index]).assumingMemoryBound(to: Float.self),
      count: list[index].type.shape.count)
  }

  /// All gradients in the order in which they become final, padding included.
  public var gradients: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: gradientStorage.floats[0..<gradientCount])
  }

  /// The parameters, at the places of their gradients.
  public var weights: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: storage.floats[0..<parameterCount])
  }

  /// The elements of parameter `index` within `weights`, and of its gradient within `gradients`.
  public func range(_ index: Int) -> Range<Int> {
    offsets[index] / 4..<offsets[index] / 4 + list[index].type.shape.count
  }

  /// The bytes of variable `index` within `bytes`.
  public func byteRange(_ index: Int) -> Range<Int> { offsets[index]..<offsets[index] + list[index].type.byteCount }

  /// The bytes of variable `index`.
  public func bytes(of index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: address(index), count: list[index].type.byteCount)
  }

  /// For each gradient in order: the variable and its elements within `gradients`.
  public var gradientRanges: [(index: Int, range: Range<Int>)] { withGradient.map { ($0, range($0)) } }

  /// All bytes of parameters and states.
  public var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: storage.base, count: storage.byteCount)
  }

  /// A copy of all variables, laid out as they are.
  public func copy() throws -> Storage {
    let copy = try Storage(byteCount: storage.byteCount)
    copy.base.copyMemory(from: storage.base, byteCount: storage.byteCount)
    return copy
  }

  /// Sets every variable to its start: a function of the seed and the variable's name alone.
  public func initialise(seed: UInt64) {
    let random = CounterRandom(seed: seed)
    for (index, variable) in list.enumerated() where variable.type.element == .float32 {
      let target = values(index)
      var stream = random.stream(.initialisation, Int(truncatingIfNeeded: Self.hash(variable.name)))
      switch variable.start {
      case .constant(let value): for i in target.indices { target[i] = value }
      case .normal(let deviation): for i in target.indices { target[i] = deviation * stream.normal() }
      case .uniform(let bound): for i in target.indices { target[i] = stream.uniform(-bound, bound) }
      }
    }
  }

  /// FNV-1a, so that a variable's start does not depend on which others there are.
  private static func hash(_ name: String) -> UInt32 {
    name.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
  }

  /// Variable `index` in the layout of files.
  public func tensor(_ index: Int) -> Tensor { Self.outward(list[index], values(index)) }

  /// The gradient of parameter `index` in the layout of files; zero where none reaches it.
  public func gradientTensor(_ index: Int) -> Tensor {
    guard let gradient = gradient(index) else { return Tensor(list[index].fileShape) }
    return Self.outward(list[index], gradient)
  }

  /// Elements in the layout of the engine -> a tensor in the layout of files.
  public static func outward(_ variable: Variable, _ values: UnsafeMutableBufferPointer<Float>) -> Tensor {
    let tensor = Tensor(variable.type.shape, Array(values))
    return variable.axes == Array(0..<variable.axes.count)
      ? tensor : tensor.transposed(variable.axes.indices.map { axis in variable.axes.firstIndex(of: axis) ?? axis })
  }

  /// A tensor in the layout of files -> elements in the layout of the engine.
  public static func inward(_ variable: Variable, _ tensor: Tensor) -> [Float] {
    variable.axes == Array(0..<variable.axes.count) ? tensor.values : tensor.transposed(variable.axes).values
  }

  /// Sets variable `index` from a tensor in the layout of files.
  public func set(_ index: Int, _ tensor: Tensor) {
    precondition(tensor.shape == list[index].fileShape, "\(list[index].name): \(tensor.shape)")
    _ = values(index).update(fromContentsOf: Self.inward(list[index], tensor))
  }
}
