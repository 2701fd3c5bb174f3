import Foundation

/// Lines over named places, side by side: each place once on the horizontal axis, in the order given.
struct LinePlot {
  struct Point {
    /// Which of the places.
    let place: Int
    let figure: Figure
    /// The ends of its interval, if it has one.
    var low: Double?
    var high: Double?
    /// Drawn hollow: not to be taken like the others.
    var isOpen = false
  }

  struct Line {
    let name: String
    let points: [Point]
    /// What the points are measured against; drawn dashed in the same colour.
    var ideal: [(place: Int, value: Double)] = []
  }

  let title: String
  /// What the vertical axis counts, and in which unit.
  let unit: String
  let places: [String]
  let lines: [Line]
  /// A value that is drawn across; what is compared with it is shown from 0 on.
  var limit: Double?

  private static let (width, height) = (640.0, 360.0)
  private static let (left, right, top, bottom) = (60.0, 620.0, 60.0, 315.0)

  var svg: String {
    var svg = SVG(width: Self.width, height: Self.height, title: title)
    let values = lines.flatMap { line in
      line.points.flatMap { [$0.figure.value, $0.high ?? $0.figure.value] } + line.ideal.map(\.value)
    }
    let axis = Axis(values + [limit].compactMap { $0 }, mayBeLogarithmic: limit == nil)
    svg.text(Self.left, 20, title, "head")
    Self.frame(&svg, axis, unit)
    for (index, place) in places.enumerated() { svg.text(x(index), Self.bottom + 18, place, anchor: "middle") }
    if let limit { svg.line(Self.left, y(limit, axis), Self.right, y(limit, axis), "limit") }
    for (index, line) in lines.enumerated() {
      let colour = index % SVG.colours
      let legend = (x: Self.left + 190 * Double(index % 3), y: 30 + 14 * Double(index / 3))
      svg.rectangle(legend.x, legend.y, 12, 4, "bar\(colour)")
      svg.text(legend.x + 16, legend.y + 7, line.name)
      svg.path(line.ideal.map { (x($0.place), y($0.value, axis)) }, "ideal\(colour)")
      svg.path(line.points.map { (x($0.place), y($0.figure.value, axis)) }, "line\(colour)")
      for point in line.points {
        let place = x(point.place)
        if let low = point.low, let high = point.high {
          svg.line(place, y(low, axis), place, y(high, axis), "line\(colour)")
          for end in [low, high] { svg.line(place - 4, y(end, axis), place + 4, y(end, axis), "line\(colour)") }
        }
        svg.circle(
          place, y(point.figure.value, axis), "\(point.isOpen ? "open" : "dot")\(colour)", point.figure,
          label: "\(line.name), \(places[point.place]): \(point.figure.text)")
      }
    }
    return svg.source
  }

  /// The vertical axis with its grid.
  static func frame(_ svg: inout SVG, _ axis: Axis, _ unit: String) {
    for tick in axis.ticks {
      let y = bottom - axis.place(tick.value) * (bottom - top)
      svg.line(left, y, right, y, tick.value == axis.ticks.first?.value ? "axis" : "grid")
      svg.text(left - 6, y + 4, tick.label, anchor: "end")
    }
    svg.text(left, height - 8, unit)
  }

  private func x(_ place: Int) -> Double {
    Self.left + (Self.right - Self.left) * (Double(place) + 0.5) / Double(max(1, places.count))
  }

  private func y(_ value: Double, _ axis: Axis) -> Double {
    Self.bottom - axis.place(value) * (Self.bottom - Self.top)
  }
}
