import Foundation

/// Which weights move slower than others, and which stay as they are.
extension Options {
  /// How the optimizer treats `variable`.
  func treatment(of variable: Variable) -> WeightUpdate.Treatment {
    var treatment = WeightUpdate.Treatment(variable)
    treatment.decays = treatment.decays || self.decayAll
    treatment.rate = pow(self.layerDecay, Float(Self.layersAbove(variable.name)))
    treatment.isFreezable = self.freeze.contains { Self.matches($0, variable.name) }
    return treatment
  }

  /// Whether weights that can be frozen stay as they are in `epoch`, from 0.
  func isFrozen(_ epoch: Int) -> Bool {
    !self.freeze.isEmpty && (self.unfreezeEpoch == 0 || epoch + 1 < self.unfreezeEpoch)
  }

  /// Refuses patterns that no weight of `network` has, and freezing all of them for good.
  func checkFreezing(_ network: DMSNet) throws {
    let names = try network.inference(pairs: 1, height: 64, width: 64).graph.variables.filter(\.isParameter).map(\.name)
    for pattern in self.freeze where !names.contains(where: { Self.matches(pattern, $0) }) {
      throw Failure(
        .usage, "--freeze \(pattern) matches no weight of the network",
        hint: "names are those of model.safetensors, for example trunk.layer1 or 'trunk.*.bn1'")
    }
    let isEverything = names.allSatisfy { name in self.freeze.contains { Self.matches($0, name) } }
    if isEverything, self.unfreezeEpoch == 0 { throw Failure(.usage, "--freeze leaves no weight to train") }
  }

  /// How many parts of the network lie between the weights called `name` and its heads, which count as one part, as each of the trunk's
  /// stages and its stem do.
  private static func layersAbove(_ name: String) -> Int {
    guard name.hasPrefix("trunk.") else { return 0 }
    let stage = name.dropFirst("trunk.layer".count).first.flatMap { $0.wholeNumberValue }
    return name.hasPrefix("trunk.layer") ? 5 - (stage ?? 0) : 5
  }

  /// Whether `pattern`, as a shell's for files, is that of the tensor `name` or of a module that it is part of.
  private static func matches(_ pattern: String, _ name: String) -> Bool {
    fnmatch(pattern, name, 0) == 0 || fnmatch(pattern + ".*", name, 0) == 0
  }
}
