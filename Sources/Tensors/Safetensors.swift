import Foundation

/// A safetensors file, checked before anything is read from it.
///
/// Format: 8 bytes little-endian header length, a JSON header, then the tensors' bytes without gaps
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
  private let file: InputFile
  private let start: Int

  /// The longest header the format allows, in bytes.
  private static let headerLimit = 100_000_000

  /// Opens and checks `path`. A missing file is `.missing`; anything wrong inside is `.data`.
  public init(path: String) throws {
    self.path = path
    file = try InputFile(path)
    func bad(_ what: String) -> Failure { Failure(.data, "\(path): not a safetensors file: \(what)") }
    let beginning = try file.read(at: 0, count: min(file.byteCount, 40))
    if let failure = Self.otherFormat(beginning, path) { throw failure }
    guard file.byteCount >= 8 else { throw bad("\(file.byteCount) bytes are too few for a header") }
    let length = beginning.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(file.byteCount - 8) else {
      throw bad("the header's length, \(length) bytes, exceeds the file's \(file.byteCount)")
    }
    guard length <= UInt64(Self.headerLimit) else {
      throw bad("the header's length, \(length) bytes, exceeds the format's limit of \(Self.headerLimit)")
    }
    start = 8 + Int(length)
    let header: SafetensorsHeader
    do { header = try SafetensorsHeader(Array(try file.read(at: 8, count: Int(length)))) } catch let error
      as SafetensorsHeader.Malformed
    { throw bad(error.reason) }
    var entries: [String: Entry] = [:]
    for field in header.fields {
      guard let element = ElementType(rawValue: field.element) else {
        throw bad("tensor \(field.name) has type \(field.element)")
      }
      let type = TensorType(Shape(field.extents), element)
      guard Self.isCountable(field.extents) else { throw bad("tensor \(field.name) has shape \(type.shape)") }
      guard field.offsets.count == type.byteCount else {
        throw bad("tensor \(field.name) \(type) takes \(type.byteCount) bytes, not \(field.offsets.count)")
      }
      entries[field.name] = Entry(type: type, range: field.offsets)
    }
    // The format allows neither holes nor overlaps, and nothing after the last tensor.
    var end = 0
    for (name, entry) in entries.sorted(by: {
      ($0.value.range.lowerBound, $0.value.range.upperBound)
        < ($1.value.range.lowerBound, $1.value.range.upperBound)
    }) {
      guard entry.range.lowerBound == end else {
        throw bad("tensor \(name) begins at byte \(entry.range.lowerBound) of the data, expected \(end)")
      }
      end = entry.range.upperBound
    }
    guard end == file.byteCount - start else {
      throw bad("its tensors take \(end) bytes, the file has \(file.byteCount - start) for them")
    }
    metadata = header.metadata
    self.entries = entries
  }

  /// Whether no product of some of the extents, in bytes, leaves the range of integers.
  private static func isCountable(_ extents: [Int]) -> Bool {
    var count = 1
    for extent in extents where extent > 0 {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow, product < 1 << 56 else { return false }
      count = product
    }
    return true
  }

  /// The failure of a file of another kind that was given for a safetensors file, recognised by its first bytes.
  private static func otherFormat(_ beginning: Data, _ path: String) -> Failure? {
    func begins(with bytes: [UInt8]) -> Bool { beginning.starts(with: bytes) }
    let hasHeader = beginning.count > 8 && beginning[8] == UInt8(ascii: "{")
    // A ZIP archive or a bare pickle of protocol 2 or later.
    if begins(with: [0x50, 0x4B, 3, 4])
      || !hasHeader && begins(with: [0x80]) && beginning.count > 1 && beginning[1] <= 5
    {
      // Nested state dictionaries are unpacked; tensors that share memory are copied, for the format has no such thing.
      let code =
        "import sys, torch; from safetensors.torch import save_file; w = torch.load(sys.argv[1], map_location='cpu', "
        + "weights_only=True); w = w.get('state_dict', w.get('model', w)); "
        + "save_file({k: v.clone().contiguous() for k, v in w.items() if torch.is_tensor(v)}, sys.argv[2])"
      return Failure(
        .data, "\(path): a PyTorch file (pickle), not a safetensors file",
        hint: "convert it: python3 -c \"\(code)\" FILE.pth FILE.safetensors")
    }
    if begins(with: Array("version https://git-lfs".utf8)) {
      return Failure(.data, "\(path): a Git LFS pointer, not the file itself", hint: "git lfs pull fetches it")
    }
    return nil
  }

  /// The names in a fixed order.
  public var names: [String] { entries.keys.sorted() }

  /// The raw bytes of `name`; a missing tensor is `.data`.
  public func bytes(_ name: String) throws -> Data {
    guard let entry = entries[name] else { throw Failure(.data, "\(path): tensor \(name) is missing") }
    return try file.read(at: start + entry.range.lowerBound, count: entry.range.count)
  }

  /// The tensor `name` as float32; every floating-point type and the integers convert.
  public func tensor(_ name: String) throws -> Tensor {
    guard let entry = entries[name] else { throw Failure(.data, "\(path): tensor \(name) is missing") }
    let type = entry.type
    // Twice the elements: callers copy them into another order.
    try Storage.require(byteCount: type.byteCount + 8 * type.shape.count)
    if type.element == .float32 {
      let values = try [Float](unsafeUninitializedCapacity: type.shape.count) { buffer, count in
        try file.read(
          at: start + entry.range.lowerBound,
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<type.byteCount]))
        count = type.shape.count
      }
      return Tensor(type.shape, values)
    }
    let values: [Float] = try bytes(name).withUnsafeBytes { raw in
      func map<T>(_: T.Type, _ convert: (T) -> Float) -> [Float] {
        (0..<type.shape.count).map {
          convert(raw.loadUnaligned(fromByteOffset: $0 * type.element.byteCount, as: T.self))
        }
      }
      switch type.element {
      case .float64: return map(Double.self) { Float($0) }
      case .float32: return map(Float.self) { $0 }
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

    /// A tensor whose bytes are produced when they are written.
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

  /// Writes `items` in order to the new file `path`, which must not matter until this returns; `written` sees every piece on its
  /// way to the file, for a running checksum. The file is synced.
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

    let file = try NewFile(path)
    func put(_ data: Data) throws {
      written(data)
      try file.write(data)
    }
    try put(prefix)
    for item in items { try put(item.bytes()) }
    try file.finish()
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
