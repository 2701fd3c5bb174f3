import Foundation
import Operations

extension Variables {
  /// What a file did not give.
  public struct LoadReport: Sendable {
    /// The model's tensors that the file lacks.
    public let missing: [String]
    /// The file's tensors that the model lacks.
    public let unused: [String]
  }

  /// Sets every variable from the tensor of its name behind `from`. A wrong shape is an error that names the tensor; what is missing
  /// keeps its value and is reported, as is what is not used.
  public func load(_ file: Safetensors, from: String = "") throws -> LoadReport {
    let report = try load(
      file, tensors: Dictionary(uniqueKeysWithValues: list.map { ($0.name, from + $0.name) }))
    return LoadReport(missing: report.missing, unused: report.unused.filter { $0.hasPrefix(from) })
  }

  /// The same from `tensors`, names by variable.
  func load(_ file: Safetensors, tensors: [String: String]) throws -> LoadReport {
    var missing: [String] = []
    var used: Set<String> = []
    for (index, variable) in list.enumerated() {
      guard let name = tensors[variable.name], let entry = file.entries[name] else {
        missing.append(variable.name)
        continue
      }
      guard entry.type.shape == variable.fileShape else {
        throw Failure(
          .data, "\(file.path): tensor \(name) has shape \(entry.type.shape), the model's is \(variable.fileShape)")
      }
      used.insert(name)
      if variable.type.element == .int64 {
        let values = try file.bytes(name)
        guard entry.type.element == .int64 else { throw Failure(.data, "\(file.path): tensor \(name) is not I64") }
        values.withUnsafeBytes {
          if let source = $0.baseAddress { address(index).copyMemory(from: source, byteCount: $0.count) }
        }
      } else {
        let tensor = try file.tensor(name)
        guard tensor.values.allSatisfy(\.isFinite) else {
          throw Failure(.data, "\(file.path): tensor \(name) holds values that are not finite")
        }
        set(index, tensor)
      }
    }
    return LoadReport(missing: missing, unused: file.names.filter { !used.contains($0) })
  }

  /// The variables as a safetensors file holds them. Parameters lie in `parameters` and states in `states`, each laid out like the
  /// variables themselves: a copy of them, an average, a moment.
  public func items(
    parametersOnly: Bool = false, prefix: String = "", parameters: Storage, states: Storage
  ) -> [Safetensors.Item] {
    let indices = parametersOnly ? self.parameters : Array(list.indices)
    return indices.map { index in
      let variable = list[index]
      let memory = variable.isParameter ? parameters : states
      return Safetensors.Item(prefix + variable.name, TensorType(variable.fileShape, variable.type.element)) {
        let range = self.byteRange(index)
        guard variable.type.element == .float32 else {
          return Data(bytes: memory.base + range.lowerBound, count: range.count)
        }
        let values = UnsafeMutableBufferPointer(rebasing: memory.floats[range.lowerBound / 4..<range.upperBound / 4])
        return Self.outward(variable, values).values.withUnsafeBytes { Data($0) }
      }
    }
  }
}
