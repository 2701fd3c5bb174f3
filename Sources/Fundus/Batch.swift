import Tensors

/// Pairs ready for the network.
public struct Batch: Sendable {
  /// Where the pairs stand in the run.
  public let examples: [Example]
  /// [B,K].
  public let labels: [Float]
  /// [2,B,K], left eyes first.
  public let eyeLabels: [Float]
  private let buffer: ImageBuffer
  private let imageCount: Int

  init(examples: [Example], labels: [Float], eyeLabels: [Float], _ buffer: ImageBuffer, count: Int) {
    (self.examples, self.labels, self.eyeLabels) = (examples, labels, eyeLabels)
    (self.buffer, imageCount) = (buffer, count)
  }

  /// Plausible noise in place of photographs and labels, drawn by `stream`; `floats`: of a photograph.
  public init(noise examples: [Example], labels count: Int, floats: Int, _ stream: inout CounterRandom.Stream) {
    let labels = examples.map { _ in (0..<count).map { _ in stream.uniform() < 0.3 ? Float(1) : 0 } }.flatMap(\.self)
    let buffer = ImageBuffer(count: 2 * examples.count * floats)
    for index in buffer.values.indices { buffer.values[index] = stream.uniform(-2, 2) }
    self.init(examples: examples, labels: labels, eyeLabels: labels + labels, buffer, count: buffer.values.count)
  }

  /// Gives `body` the normalised images [2B,H,W,3], left ones first. Their memory is used again once the batch is gone.
  public func withImages<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(buffer) { try body(UnsafeBufferPointer(rebasing: buffer.values[..<imageCount])) }
  }

  /// Copies the normalised images [2B,H,W,3], left ones first, to `target`.
  public func copyImages(into target: UnsafeMutableBufferPointer<Float>) {
    withImages { images in
      precondition(images.count == target.count)
      _ = target.update(fromContentsOf: images)
    }
  }
}

/// Memory for the images of a batch.
final class ImageBuffer: @unchecked Sendable {
  // Unchecked: workers write to different parts of it before any reader has it.
  let values: UnsafeMutableBufferPointer<Float>

  init(count: Int) { values = .allocate(capacity: count) }
  deinit { values.deallocate() }
}

/// Buffers that are used again once nobody else holds them, so that a loader that has warmed up allocates none.
struct ImageBuffers {
  private var all: [ImageBuffer] = []

  /// A buffer of at least `count` values that nobody uses.
  mutating func take(_ count: Int) -> ImageBuffer {
    let free = all.indices.filter { isKnownUniquelyReferenced(&all[$0]) }
    if let found = free.first(where: { all[$0].values.count >= count }) { return all[found] }
    let new = ImageBuffer(count: count)
    if let small = free.first { all[small] = new } else { all.append(new) }
    return new
  }
}
