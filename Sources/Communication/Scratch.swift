import Tensors

/// Memory that grows to what was asked for at most.
struct Scratch {
  private var storage: Storage?

  mutating func elements<Element>(_ count: Int) throws -> UnsafeMutablePointer<Element> {
    let byteCount = max(1, count) * MemoryLayout<Element>.stride
    if let storage, storage.byteCount >= byteCount { return storage.base.assumingMemoryBound(to: Element.self) }
    let fresh = try Storage(byteCount: byteCount)
    storage = fresh
    return fresh.base.assumingMemoryBound(to: Element.self)
  }
}
