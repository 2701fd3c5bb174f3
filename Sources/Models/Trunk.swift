import Operations

/// ResNet without its pool and classifier (He et al. 2016; in bottlenecks the stride sits on the 3x3 convolution). Names are
/// torchvision's. [N,H,W,3] -> [N,H/32,W/32,C].
struct Trunk {
  let configuration: Configuration

  func callAsFunction(_ x: Symbol, _ builder: Builder) throws -> Symbol {
    let stem = try builder["conv1"].convolution(x, configuration.stem, kernel: 7, stride: 2)
    var x = try builder["bn1"].batchNorm(stem, relu: true)
    x = try builder.graph.scope("trunk.pool") { try x.maxPool(kernel: 3, stride: 2, padding: 1) }
    for (stage, count) in configuration.blocks.enumerated() {
      let planes = configuration.stem << stage
      for index in 0..<count {
        let stride = stage > 0 && index == 0 ? 2 : 1
        x = try block(x, planes: planes, stride: stride, builder["layer\(stage + 1)"]["\(index)"])
      }
    }
    return x
  }

  private func block(_ x: Symbol, planes: Int, stride: Int, _ builder: Builder) throws -> Symbol {
    let outputs = planes * configuration.block.expansion
    let shortcut =
      stride != 1 || x.shape.channels != outputs
      ? try builder["downsample"].convolutionNorm(x, outputs, stride: stride, relu: false) : x
    func layer(_ x: Symbol, _ number: Int, _ outputs: Int, kernel: Int, stride: Int = 1, relu: Bool = true) throws
      -> Symbol
    {
      let y = try builder["conv\(number)"].convolution(x, outputs, kernel: kernel, stride: stride)
      return try builder["bn\(number)"].batchNorm(y, relu: relu)
    }
    var y: Symbol
    switch configuration.block {
    case .basic:
      y = try layer(x, 1, planes, kernel: 3, stride: stride)
      y = try layer(y, 2, planes, kernel: 3, relu: false)
    case .bottleneck:
      y = try layer(x, 1, planes, kernel: 1)
      y = try layer(y, 2, planes, kernel: 3, stride: stride)
      y = try layer(y, 3, outputs, kernel: 1, relu: false)
    }
    return try builder.graph.scope(builder.prefix) { try y.residualSum(shortcut) }
  }
}
