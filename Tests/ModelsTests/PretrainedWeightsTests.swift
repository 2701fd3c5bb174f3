import Foundation
import Models
import Testing

/// Weights to start from, under the names and prefixes that people's files have.
struct PretrainedWeightsTests {
  private let path = NSTemporaryDirectory() + "dmsnet-\(UUID().uuidString).safetensors"

  /// What is done to torchvision's names by each naming, written out as replacements.
  private static let renamings: [(owner: String, rules: [(String, String)])] = [
    ("torchvision's", []),
    (
      "transformers'",
      [
        (#"^conv1\."#, "embedder.embedder.convolution."), (#"^bn1\."#, "embedder.embedder.normalization."),
        (#"^layer1\."#, "encoder.stages.0.layers."), (#"^layer2\."#, "encoder.stages.1.layers."),
        (#"^layer3\."#, "encoder.stages.2.layers."), (#"^layer4\."#, "encoder.stages.3.layers."),
        (#"\.downsample\.0\."#, ".shortcut.convolution."), (#"\.downsample\.1\."#, ".shortcut.normalization."),
        (#"\.conv1\."#, ".layer.0.convolution."), (#"\.bn1\."#, ".layer.0.normalization."),
        (#"\.conv2\."#, ".layer.1.convolution."), (#"\.bn2\."#, ".layer.1.normalization."),
        (#"\.conv3\."#, ".layer.2.convolution."), (#"\.bn3\."#, ".layer.2.normalization."),
      ]
    ),
    (
      "a Sequential's",
      [
        (#"^conv1\."#, "0."), (#"^bn1\."#, "1."), (#"^layer1\."#, "4."), (#"^layer2\."#, "5."), (#"^layer3\."#, "6."),
        (#"^layer4\."#, "7."),
      ]
    ),
  ]

  private static func renamed(_ name: String, _ rules: [(String, String)]) -> String {
    rules.reduce(name) { $0.replacingOccurrences(of: $1.0, with: $1.1, options: .regularExpression) }
  }

  /// The trunk of `replica` as tensors by torchvision's names; counters left out, as in old files.
  private func trunk(_ replica: Replica) -> [(name: String, tensor: Tensor)] {
    replica.variables.list.indices.compactMap { index in
      let variable = replica.variables.list[index]
      guard variable.name.hasPrefix("trunk."), variable.type.element == .float32 else { return nil }
      return (String(variable.name.dropFirst(6)), replica.variables.tensor(index))
    }
  }

  private func write(_ tensors: [(name: String, tensor: Tensor)]) throws {
    try? FileManager.default.removeItem(atPath: path)
    try Safetensors.write(tensors.map { Safetensors.Item($0.name, $0.tensor) }, to: path)
  }

  private static let heads = [
    ("fc.weight", Tensor([3, 2])), ("fc.bias", Tensor([3])), ("layer9.0.conv1.weight", Tensor([1])),
  ]

  @Test(arguments: 0..<3, ["", "module.", "backbone.", "model.encoder.", "module.resnet.net.backbone.", "trunk."])
  func namesAndPrefixesOfAllKinds(_ kind: Int, _ prefix: String) throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let (owner, rules) = Self.renamings[kind]
    for block in Configuration.Block.allCases {
      let network = try small { $0.block = block }
      let (source, target) = (
        try Replica(network, height: 64, width: 64, threads: 1, seed: 1),
        try Replica(network, height: 64, width: 64, threads: 1, seed: 2)
      )
      let tensors = trunk(source)
      try write(tensors.map { (prefix + Self.renamed($0.name, rules), $0.tensor) } + Self.heads)
      let pretrained = try PretrainedWeights(Safetensors(path: path), for: network)
      let report = try pretrained.load(into: target.variables)
      #expect(report.unused.sorted() == Self.heads.map(\.0).sorted())
      #expect(!report.missing.isEmpty && report.missing.allSatisfy { !$0.hasPrefix("trunk.") })
      #expect(trunk(target).map(\.tensor) == tensors.map(\.tensor))
      // The network's own names are torchvision's behind "trunk.".
      let isOwn = prefix == "trunk." && kind == 0
      #expect(pretrained.summary.contains("\(tensors.count) of the "), "\(pretrained.summary)")
      #expect(pretrained.summary.contains(isOwn ? "a run's names" : "by \(owner) names"), "\(pretrained.summary)")
      #expect(isOwn || prefix.isEmpty || pretrained.summary.hasSuffix("behind '\(prefix)'"), "\(pretrained.summary)")
    }
  }

  @Test func aRunGivesTheWholeNetwork() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let network = try small()
    let (source, target) = (
      try Replica(network, height: 64, width: 64, threads: 1, seed: 1),
      try Replica(network, height: 64, width: 64, threads: 1, seed: 2)
    )
    let copy = try source.variables.copy()
    try Safetensors.write(source.variables.items(prefix: "module.", parameters: copy, states: copy), to: path)
    let report = try PretrainedWeights(Safetensors(path: path), for: network).load(into: target.variables)
    #expect(report.missing.isEmpty && report.unused.isEmpty)
    for index in source.variables.list.indices where source.variables.list[index].type.element == .float32 {
      #expect(source.variables.tensor(index) == target.variables.tensor(index))
    }
    // A network that lacks a part leaves the part's tensors.
    let part = try small { $0.without = [.ccam] }
    let other = try Replica(part, height: 64, width: 64, threads: 1, seed: 2)
    let failure = #expect(throws: Failure.self) {
      try PretrainedWeights(Safetensors(path: path), for: part).load(into: other.variables)
    }
    #expect(failure?.message.contains("tensor module.classifier has shape") == true, "\(failure?.message ?? "")")
  }

  @Test func whatIsNoTrunkIsRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let network = try small()
    let tensors = trunk(try Replica(network, height: 64, width: 64, threads: 1, seed: 1))
    func expect(_ what: String, _ tensors: [(name: String, tensor: Tensor)]) throws {
      try write(tensors)
      let failure = #expect(throws: Failure.self) { try PretrainedWeights(Safetensors(path: path), for: network) }
      #expect(failure?.kind == .data && failure?.message.contains(what) == true, "\(failure?.message ?? "")")
    }
    try expect(
      "none of its tensors is the trunk's", [("blocks.0.attn.weight", Tensor([2, 2])), ("bias", Tensor([2]))])
    let twice = ["encoder_k.", "encoder_q."].flatMap { prefix in tensors.map { (prefix + $0.name, $0.tensor) } }
    try expect("several trunks, below 'encoder_k.' and 'encoder_q.'", twice)
    let wrong = tensors.map { ($0.name, $0.name == "conv1.weight" ? Tensor([8, 1, 7, 7]) : $0.tensor) }
    try expect("tensor conv1.weight has shape [8, 1, 7, 7], the model's is [8, 3, 7, 7]", wrong)
  }

  @Test(.enabled(if: !files("weights").isEmpty, "DMSNET_TEST_DATA names no folder with weights"))
  func aTrunkMayStartFromPartOfItsStages() throws {
    let path = try #require(files("weights").first { $0.contains("resnet18") })
    let network = try DMSNet(Configuration(depth: 18))
    let replica = try Replica(network, height: 64, width: 64, threads: 1, seed: 0, trains: false)
    let report = try PretrainedWeights(Safetensors(path: path), for: network).load(into: replica.variables)
    let missing = report.missing.filter { $0.hasPrefix("trunk.") }
    #expect(!missing.isEmpty && missing.allSatisfy { $0.hasPrefix("trunk.layer4.") })
    #expect(throws: Failure.self) {
      try PretrainedWeights(Safetensors(path: path), for: DMSNet(Configuration(depth: 50)))
    }
  }
}
