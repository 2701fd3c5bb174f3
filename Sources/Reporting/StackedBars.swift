import Foundation

/// Bars of parts one above another, which add up to 1.
struct StackedBars {
  struct Bar {
    let name: String
    /// A figure for each part, in the order of `parts`.
    let figures: [Figure]
  }

  let title: String
  let parts: [String]
  let bars: [Bar]

  private static let (left, right, top, row) = (130.0, 620.0, 50.0, 26.0)

  var svg: String {
    var svg = SVG(width: 640, height: Self.top + Self.row * Double(bars.count) + 30, title: title)
    svg.text(10, 20, title, "head")
    for (index, part) in parts.enumerated() {
      svg.rectangle(Self.left + 100 * Double(index), 30, 12, 10, "bar\(index % SVG.colours)")
      svg.text(Self.left + 100 * Double(index) + 16, 39, part)
    }
    for (index, bar) in bars.enumerated() {
      let y = Self.top + Self.row * Double(index)
      svg.text(Self.left - 8, y + 15, bar.name, anchor: "end")
      var start = Self.left
      for (part, figure) in bar.figures.enumerated() {
        let width = max(0, figure.value) * (Self.right - Self.left)
        svg.rectangle(
          start, y + 3, width, Self.row - 8, "bar\(part % SVG.colours)", figure,
          label: "\(bar.name), \(parts[part]): \(figure.text)")
        start += width
      }
    }
    let end = Self.top + Self.row * Double(bars.count)
    for tick in stride(from: 0.0, through: 1, by: 0.25) {
      let x = Self.left + tick * (Self.right - Self.left)
      svg.line(x, end, x, end + 4, "axis")
      svg.text(x, end + 18, "\(Int(100 * tick)) %", anchor: "middle")
    }
    return svg.source
  }
}
