import Foundation

/// A safetensors file, mapped into memory and checked before anything is read from it.
///
/// Format: 8 bytes little-endian header length, a JSON header, then the tensors' bytes
/// (https://huggingface.co/docs/safetensors).
public struct Safetensors: Sendable {
  /// One tensor's place in the file.
  public struct Entry: Sendable {
    /// Shape and element type.
    public let type: TensorType
    /// The bytes within the data section.
    public let range: Range<Int>
  }

  /// The file's path, for messages.
  public let path: String
  /// The header's `__metadata__`.
  public let metadata: [String: String]
  /// The tensors by name.
  public let entries: [String: Entry]
  private let data: Data
  private let start: Int

  /// Opens and checks `path`. A missing file is `.missing`; anything wrong inside is `.data`.
  public init(path: String) throws {
    self.path = path
    guard FileManager.default.fileExists(atPath: path) else { throw Failure(.missing, "\(path): no such file") }
    do { data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) } catch {
      throw Failure(.missing, "\(path): cannot be read")
    }
    func bad(_ what: String) -> Failure { Failure(.data, "\(path): not a safetensors file: \(what)") }
    guard data.count >= 8 else { throw bad("\(data.count) bytes are too few for a header") }
    let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(data.count - 8) else {
      throw bad("the header's length, \(length) bytes, exceeds the file's \(data.count)")
    }
    start = 8 + Int(length)
    guard let header = try? JSONSerialization.jsonObject(with: data[8..<start]) as? [String: Any] else {
      throw bad("the header is not JSON")
    }
    var metadata: [String: String] = [:]
    var entries: [String: Entry] = [:]
    for (name, value) in header {
      if name == "__metadata__" {
        metadata = value as? [String: String] ?? [:]
        continue
      }
      guard let fields = value as? [String: Any], let code = fields["dtype"] as? String,
        let extents = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int], offsets.count == 2
      else { throw bad("tensor \(name) lacks dtype, shape or data_offsets") }
      guard let element = ElementType(rawValue: code) else { throw bad("tensor \(name) has type \(code)") }
      var count = 1
      for extent in extents {
        let (product, overflow) = count.multipliedReportingOverflow(by: extent)
        guard extent >= 0, !overflow, product < 1 << 56 else { throw bad("tensor \(name) has shape \(extents)") }
        count = product
      }
      let type = TensorType(Shape(extents), element)
      guard offsets[0] >= 0, offsets[1] >= offsets[0], offsets[1] <= data.count - start,
        offsets[1] - offsets[0] == type.byteCount
      else {
        throw bad("tensor \(name) \(type) does not fit bytes \(offsets[0])..<\(offsets[1]) of \(data.count - start)")
      }
      entries[name] = Entry(type: type, range: offsets[0]..<offsets[1])
    }
    self.metadata = metadata
    self.entries = entries
  }

  /// The names in a fixed order.
  public var names: [String] { entries.keys.sorted() }

  /// The raw bytes of `name`; a missing tensor is `.data`.
  public func bytes(_ name: String) throws -> Data {
    guard let entry = entries[name] else { throw Failure(.data, "\(path): tensor \(name) is missing") }
    return data[start + entry.range.lowerBound..<start + entry.range.upperBound]
  }

  /// The tensor `name` as float32; every floating-point type and the integers convert.
  public func tensor(_ name: String) throws -> Tensor {
    let bytes = try bytes(name)
    guard let type = entries[name]?.type else { throw Failure(.data, "\(path): tensor \(name) is missing") }
    let values: [Float] = bytes.withUnsafeBytes { raw in
      func map<T>(_: T.Type, _ convert: (T) -> Float) -> [Float] {
        (0..<type.shape.count).map {
          convert(raw.loadUnaligned(fromByteOffset: $0 * type.element.byteCount, as: T.self))
        }
      }
      switch type.element {
      case .float64: return map(Double.self) { Float($0) }
      case .float32:
        return [Float](unsafeUninitializedCapacity: type.shape.count) { buffer, count in
          UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
          count = type.shape.count
        }
      case .float16: return map(UInt16.self, Float.init(halfBits:))
      case .bfloat16: return map(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
      case .int64: return map(Int64.self) { Float($0) }
      case .int32: return map(Int32.self) { Float($0) }
      case .uint8: return map(UInt8.self) { Float($0) }
      }
    }
    return Tensor(type.shape, values)
  }

  /// A tensor to write: its name, type and a function that yields its bytes.
  public struct Item {
    let name: String
    let type: TensorType
    let bytes: () -> Data

    /// A tensor whose bytes are asked for when their turn comes.
    public init(_ name: String, _ type: TensorType, bytes: @escaping () -> Data) {
      self.name = name
      self.type = type
      self.bytes = bytes
    }

    /// A float32 tensor.
    public init(_ name: String, _ tensor: Tensor) {
      self.init(name, TensorType(tensor.shape)) { tensor.values.withUnsafeBytes { Data($0) } }
    }
  }

  /// Writes `items` in order to `path`, which must not matter until this returns; `written` sees every piece on its way
  /// to the file, for a running checksum. The file is synced.
  public static func write(
    _ items: [Item], metadata: [String: String] = [:], to path: String, written: (Data) -> Void = { _ in }
  ) throws {
    var header: [String: Any] = [:]
    if !metadata.isEmpty { header["__metadata__"] = metadata }
    var offset = 0
    for item in items {
      header[item.name] = [
        "dtype": item.type.element.rawValue, "shape": item.type.shape.dimensions,
        "data_offsets": [offset, offset + item.type.byteCount],
      ]
      offset += item.type.byteCount
    }
    var json = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys])
    json.append(contentsOf: Array(repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
    var prefix = Data((0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) })
    prefix.append(json)

    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { throw Failure.system("create", path, kind: .output) }
    defer { close(file) }
    func put(_ data: Data) throws {
      written(data)
      try data.withUnsafeBytes { raw in
        var done = 0
        while done < raw.count {
          let count = Foundation.write(file, raw.baseAddress.map { $0 + done }, raw.count - done)
          if count < 0 && errno == EINTR { continue }
          guard count > 0 else { throw Failure.system("write", path) }
          done += count
        }
      }
    }
    try put(prefix)
    for item in items { try put(item.bytes()) }
    guard fsync(file) == 0 else { throw Failure.system("sync", path) }
  }
}

extension Float {
  /// The value of an IEEE 754 half-precision number; arm64 and x86-64 alike, without compiler support for Float16.
  init(halfBits bits: UInt16) {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1F)
    let fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0:
      let magnitude = Float(fraction) * 0x1p-24
      self = sign == 0 ? magnitude : -magnitude
    case 31: self = Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: self = Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }
}
