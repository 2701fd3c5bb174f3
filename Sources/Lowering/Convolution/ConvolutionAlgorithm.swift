import class Foundation.ProcessInfo

/// How a convolution is computed.
public enum ConvolutionAlgorithm: String, Sendable {
  /// As the cost of its shape says.
  case automatic
  /// As a product of matrices.
  case direct
  /// By Winograd's tiles where stride and taps allow.
  case winograd

  /// What the environment variable DMSNET_CONVOLUTION names, `automatic` without it.
  public static let preferred =
    ProcessInfo.processInfo.environment["DMSNET_CONVOLUTION"].flatMap(Self.init) ?? .automatic
}
