import Operations

/// A file of weights to start from, with the network's variables found in it by the names that people's files give them.
public struct PretrainedWeights {
  /// Whose names a file has.
  enum Naming: CaseIterable {
    /// The network's own: all of it, or its trunk.
    case run
    /// torchvision's, which timm's are too.
    case torchvision
    /// Those of Hugging Face's transformers.
    case transformers
    /// Those of torchvision's modules in a `Sequential`, which numbers them.
    case sequential
  }

  /// The file.
  public let file: Safetensors
  private let naming: Naming
  /// What stands before the names.
  private let prefix: String
  /// The file's tensor for each variable that it has.
  private let tensors: [String: String]
  /// What the file gives and what there is, but for counters.
  private let found, wanted: Int

  /// Finds the variables of `network` in `file`: under the naming and behind the prefix that most of the trunk's tensors have.
  /// Refused: a file without any, one with several trunks, and a tensor of another shape than the network's.
  public init(_ file: Safetensors, for network: DMSNet) throws {
    self.file = file
    let variables = try network.inference(pairs: 1, height: 64, width: 64).graph.variables
    let trunk = variables.filter { $0.name.hasPrefix(Naming.trunk) && !$0.isCounter }
    var counts: [(naming: Naming, prefix: String, count: Int)] = []
    for naming in Naming.allCases {
      let names = Set(trunk.compactMap { naming.name($0.name) })
      var found: [String: Int] = [:]
      for name in file.names {
        for start in [name.startIndex] + name.indices.filter({ name[$0] == "." }).map(name.index(after:))
        where names.contains(String(name[start...])) {
          found[String(name[..<start]), default: 0] += 1
        }
      }
      counts += found.sorted { $0.key < $1.key }.map { (naming, $0.key, $0.value) }
    }
    guard let most = counts.map(\.count).max(), let best = counts.first(where: { $0.count == most }) else {
      throw Failure(
        .data, "\(file.path): none of its tensors is the trunk's",
        hint: "names of torchvision, timm, transformers or of a run were expected")
    }
    if let other = counts.last(where: { $0.count == most && $0.naming == best.naming && $0.prefix != best.prefix }) {
      throw Failure(
        .data, "\(file.path): holds several trunks, below '\(best.prefix)' and '\(other.prefix)'",
        hint: "leave the tensors of one of them in the file")
    }
    (naming, prefix) = (best.naming, best.prefix)
    var tensors: [String: String] = [:]
    for variable in variables {
      guard let name = best.naming.name(variable.name).map({ best.prefix + $0 }), let entry = file.entries[name] else {
        continue
      }
      guard entry.type.shape == variable.fileShape else {
        throw Failure(
          .data, "\(file.path): tensor \(name) has shape \(entry.type.shape), the model's is \(variable.fileShape)")
      }
      tensors[variable.name] = name
    }
    self.tensors = tensors
    let counted = variables.filter { !$0.isCounter && (best.naming == .run || $0.name.hasPrefix(Naming.trunk)) }
    (found, wanted) = (counted.count { tensors[$0.name] != nil }, counted.count)
  }

  /// Sets `variables` from the file; what it lacks keeps its value.
  public func load(into variables: Variables) throws -> Variables.LoadReport {
    let report = try variables.load(file, tensors: tensors)
    let counters = Set(variables.list.filter(\.isCounter).map(\.name))
    return Variables.LoadReport(missing: report.missing.filter { !counters.contains($0) }, unused: report.unused)
  }

  /// How much was found and under which names, for people.
  public var summary: String {
    let what = naming == .run ? "network's" : "trunk's"
    let place = prefix.isEmpty ? "" : " behind '\(prefix)'"
    return "\(found) of the \(what) \(wanted) tensors, by \(naming.owner) names\(place)"
  }
}

extension PretrainedWeights.Naming {
  /// What the trunk's variables begin with.
  static let trunk = "trunk."

  /// For people.
  var owner: String {
    switch self {
    case .run: "a run's"
    case .torchvision: "torchvision's"
    case .transformers: "transformers'"
    case .sequential: "a Sequential's"
    }
  }

  /// The name of the network's variable `variable`; nil where files of this naming have none.
  func name(_ variable: String) -> String? {
    if self == .run { return variable }
    guard variable.hasPrefix(Self.trunk) else { return nil }
    let name = String(variable.dropFirst(Self.trunk.count))
    let parts = name.split(separator: ".").map(String.init)
    switch self {
    case .run, .torchvision: return name
    case .transformers: return transformers(parts)
    case .sequential: return sequential(parts)
    }
  }

  /// The number at the end of "layer3" or "conv1".
  private func number(_ text: String) -> Int { Int(text.drop { !$0.isNumber }) ?? 0 }

  /// "layer2.0.conv3.weight" -> "encoder.stages.1.layers.0.layer.2.convolution.weight".
  private func transformers(_ parts: [String]) -> String? {
    func layer(_ name: String) -> String { name.hasPrefix("conv") ? "convolution" : "normalization" }
    guard let last = parts.last else { return nil }
    if parts.count == 2 { return "embedder.embedder.\(layer(parts[0])).\(last)" }
    let block = "encoder.stages.\(number(parts[0]) - 1).layers.\(parts[1])"
    if parts[2] == "downsample" {
      return "\(block).shortcut.\(parts[3] == "0" ? "convolution" : "normalization").\(last)"
    }
    return "\(block).layer.\(number(parts[2]) - 1).\(layer(parts[2])).\(last)"
  }

  /// "layer2.0.conv3.weight" -> "5.0.conv3.weight": 0 and 1 are the stem, 2 and 3 have no weights, 4 to 7 are the stages.
  private func sequential(_ parts: [String]) -> String {
    let first = parts[0] == "conv1" ? 0 : parts[0] == "bn1" ? 1 : 3 + number(parts[0])
    return ([String(first)] + parts.dropFirst()).joined(separator: ".")
  }
}

extension Variable {
  /// Whether it counts batches, which many files lack and nobody misses.
  fileprivate var isCounter: Bool { type.element == .int64 }
}
