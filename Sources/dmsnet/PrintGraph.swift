import ArgumentParser
import Training

/// The network's graph after each pass, as text or for Graphviz.
struct PrintGraph: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Print the network's graph after each pass, as text or for Graphviz.")

  /// What the graph is for.
  enum Mode: String, EnumerableFlag {
    case training
    case inference
  }

  @Option(help: "ResNet depth.") var depth = 50
  @Option(help: "Photographs' height and width in pixels.") var size = 224
  @Option(help: "The trunk's first channel count.") var stem = 64
  @Option(help: "Channels after the trunk.") var width = 256
  @Option(help: "Pairs.") var pairs = 1
  @Flag(help: "A training step or an evaluation.") var mode = Mode.training
  @Flag(help: "Keep few block sums and rebuild the rest in the backward pass.") var recompute = false
  @Flag(help: "Add gradients to those of the step's earlier micro-batches.") var accumulate = false
  @Option(help: "Print the graph after this pass only.") var pass: Pass?
  @Flag(help: "Print it in Graphviz's language.") var dot = false

  func run() throws {
    let options = try Options(["depth": ["\(depth)"], "stem": ["\(stem)"], "width": ["\(width)"]])
    let network = try options.network(labels: 8)
    let listings = try network.listings(
      pairs: pairs, height: size, width: size, trains: mode == .training, recomputes: recompute,
      accumulates: accumulate)
    let wanted = listings.filter { pass == nil || $0.pass == pass }
    guard !wanted.isEmpty else {
      let passes = listings.map(\.pass.rawValue).joined(separator: ", ")
      throw Failure(.usage, "\(mode.rawValue) has no pass \(pass?.rawValue ?? ""), only \(passes)")
    }
    for listing in wanted {
      try StandardOutput.print(dot ? listing.dot : "# after \(listing.pass.rawValue)\n" + listing.text)
    }
  }
}

extension Pass: ExpressibleByArgument {}
