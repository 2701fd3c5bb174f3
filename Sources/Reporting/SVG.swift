import Foundation

/// An SVG drawing that stands alone: colours follow the reader's choice of light or dark.
struct SVG {
  private let width, height: Double
  private let title: String
  private var body: [String] = []

  /// How many colours there are for series.
  static let colours = 6

  init(width: Double, height: Double, title: String) { (self.width, self.height, self.title) = (width, height, title) }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
    add("line", [("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)], style)
  }

  mutating func path(_ points: [(x: Double, y: Double)], _ style: String) {
    guard points.count > 1 else { return }
    let text = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
    body.append("<polyline points=\"\(text)\" class=\"\(style)\"/>")
  }

  /// A circle that shows `figure`; `label` says so where the reader points at it.
  mutating func circle(_ x: Double, _ y: Double, _ style: String, _ figure: Figure, label: String) {
    add("circle", [("cx", x), ("cy", y), ("r", 4)], style, figure.attributes, label: label)
  }

  /// A rectangle that shows `figure`.
  mutating func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, _ figure: Figure? = nil,
    label: String = ""
  ) {
    add(
      "rect", [("x", x), ("y", y), ("width", width), ("height", height)], style, figure?.attributes ?? [], label: label)
  }

  /// Text from (x, y) on, about it, or up to it.
  mutating func text(_ x: Double, _ y: Double, _ text: String, anchor: String = "start", _ style: String = "text") {
    body.append(
      "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"\(anchor)\" class=\"\(style)\">\(escaped(text))</text>"
    )
  }

  private mutating func add(
    _ name: String, _ places: [(String, Double)], _ style: String, _ attributes: [(String, String)] = [],
    label: String = ""
  ) {
    let all = places.map { ($0.0, Self.number($0.1)) } + [("class", style)] + attributes
    let text = all.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: " ")
    body.append(label.isEmpty ? "<\(name) \(text)/>" : "<\(name) \(text)><title>\(escaped(label))</title></\(name)>")
  }

  private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

  /// The drawing.
  var source: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.number(width)) \(Self.number(height))" role="img" \
    aria-label="\(escaped(title))">
    <style>\(Self.style)</style>
    \(body.joined(separator: "\n"))
    </svg>

    """
  }

  /// Okabe and Ito's colours, which readers who are colour-blind can tell apart; lighter where the page is dark.
  private static let style: String = {
    func rules(_ colours: [String], ink: String, faint: String) -> String {
      let series = colours.enumerated().map { index, colour in
        ".line\(index){fill:none;stroke:\(colour);stroke-width:2}.dot\(index){fill:\(colour);stroke:\(colour);stroke-width:2}"
          + ".open\(index){fill:none;stroke:\(colour);stroke-width:2}.ideal\(index){fill:none;stroke:\(colour);stroke-width:1;stroke-dasharray:5 4}"
          + ".bar\(index){fill:\(colour)}"
      }
      return ".text{font:12px sans-serif;fill:\(ink)}.head{font:bold 13px sans-serif;fill:\(ink)}"
        + ".axis{stroke:\(ink);stroke-width:1}.grid{stroke:\(faint);stroke-width:1}"
        + ".limit{fill:none;stroke:\(ink);stroke-width:1;stroke-dasharray:2 3}" + series.joined()
    }
    let light = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
    let dark = ["#4fa8dc", "#ff8a3d", "#33c79c", "#e39cc4", "#f0b93a", "#8fd0f5"]
    return rules(light, ink: "#222", faint: "#ddd")
      + "@media (prefers-color-scheme:dark){\(rules(dark, ink: "#ddd", faint: "#444"))}"
  }()
}
