import Tensors

/// From a photograph to the pixels that a run sees every epoch: the field of view cut out, padded to the input's shape, resized,
/// and, where asked for, its contrast evened out and what is not fundus masked.
public struct Preparation: Sendable, Hashable {
  /// What is cut out of a photograph.
  public enum Crop: String, Sendable, CaseIterable {
    /// The field of view: the disc that is not black.
    case view
    /// Nothing; the photograph is taken whole.
    case none
  }

  /// How what was cut out comes to the proportions of the input.
  public enum Padding: String, Sendable, CaseIterable {
    /// With black on both sides.
    case black
    /// With ImageNet's mean colour on both sides: zero for the network.
    case mean
    /// By stretching it.
    case stretch
  }

  /// Pixels of the result.
  public let height, width: Int
  /// What is cut out.
  public var crop = Crop.view
  /// How it is brought to the input's proportions.
  public var padding = Padding.black
  /// The part of the disc's radius that is kept; pixels further out get the padding's colour. 0: all are kept.
  public var circle: Float = 0
  /// How much differences from the local mean are enlarged (Graham 2015 took 4). 0: colours stay.
  public var localMean: Float = 0
  /// The clip limit of contrast-limited adaptive histogram equalisation (CLAHE). 0: none.
  public var clahe: Float = 0

  /// Preparation for inputs of `height` by `width`.
  public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }

  /// All settings by name, as text.
  public var settings: [String: String] {
    [
      "size": size, "crop": crop.rawValue, "padding": padding.rawValue, "circle": "\(circle)",
      "local-mean": "\(localMean)", "clahe": "\(clahe)",
    ]
  }

  /// The size as options say it: "224", or "192x256".
  public var size: String { height == width ? "\(height)" : "\(height)x\(width)" }

  /// Bytes of a prepared picture.
  var byteCount: Int { height * width * 3 }

  /// Decodes and prepares the photograph at `path`: RGB bytes, row by row. What is odd about it is added to `warnings`.
  func load(_ path: String, _ warnings: DecoderWarnings) throws -> [UInt8] {
    let (pixels, warning) = try load(EncodedPhotograph(path: path))
    if let warning { warnings.add(path, warning) }
    return pixels
  }

  /// Decodes and prepares a photograph, and says what is odd about it.
  func load(_ encoded: EncodedPhotograph) throws -> (pixels: [UInt8], warning: String?) {
    let (photograph, warning) = try encoded.decode(atLeast: max(height, width) * 5 / 4)
    return (prepare(photograph), warning)
  }

  /// Prepares a photograph: RGB bytes, row by row.
  public func prepare(_ photograph: Photograph) -> [UInt8] {
    let whole = (rows: 0..<photograph.height, columns: 0..<photograph.width)
    let view = crop == .view ? photograph.fieldOfView : whole
    let window = Window(around: view, height: height, width: width, isStretched: padding == .stretch)
    let fill: [UInt8] = padding == .mean ? Normalisation.mean.map { UInt8($0 * 255 + 0.5) } : [0, 0, 0]
    var result = Photograph(
      width: width, height: height, pixels: window.resized(photograph, height: height, width: width, fill: fill))
    if localMean > 0 { result.subtractLocalMean(strength: localMean) }
    if clahe > 0 { result.equalise(clipLimit: clahe) }
    if circle > 0 {
      // The disc is as large as the view's longer side: cameras cut off its top and bottom.
      let diameter = Float(max(view.rows.count, view.columns.count))
      let isStretched = padding == .stretch
      result.mask(
        vertical: circle * 0.5 * Float(height) * (isStretched ? 1 : diameter / Float(window.rows.count)),
        horizontal: circle * 0.5 * Float(width) * (isStretched ? 1 : diameter / Float(window.columns.count)),
        fill: localMean > 0 ? [128, 128, 128] : fill)
    }
    return result.pixels
  }
}
