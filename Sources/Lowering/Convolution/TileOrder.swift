import CKernels

/// Where the tiles of some lines lie in the 36 matrices: sorted so that those of an element lie together.
///
/// At the right and the bottom of a map tiles may have fewer than four outputs in a direction, and then need as many of that
/// direction's six elements as outputs and two more. The order is: tiles cut off at the right, whole ones, those cut off at the
/// bottom, those cut off at both.
struct TileOrder {
  private let tiles: Tiles
  private let lines: Range<Int>
  /// Outputs of the tiles at the right and at the bottom in that direction.
  private let right, bottom: Int
  /// Tiles of a line that are not cut off at the right.
  private let whole: Int
  /// Where whole tiles, those cut off at the bottom and those at both begin.
  private let starts: (whole: Int, bottom: Int, corner: Int)

  /// The order of the tiles of `lines`.
  init(_ tiles: Tiles, _ lines: Range<Int>) {
    (self.tiles, self.lines) = (tiles, lines)
    right = tiles.geometry.out_width - 4 * (tiles.across - 1)
    bottom = tiles.geometry.out_height - 4 * (tiles.down - 1)
    whole = right < 4 ? tiles.across - 1 : tiles.across
    let cut = bottom < 4 ? Self.lastLines(lines, tiles.down) : 0
    let start = right < 4 ? lines.count - cut : 0
    let end = start + (lines.count - cut) * whole
    starts = (start, end, end + cut * whole)
  }

  /// How many tiles there are.
  var count: Int { lines.count * tiles.across }

  /// How many of `lines` are the last of an image of `down` lines.
  private static func lastLines(_ lines: Range<Int>, _ down: Int) -> Int {
    lines.upperBound / down - lines.lowerBound / down
  }

  /// The tiles that need `element`.
  func needing(_ element: Int) -> Range<Int> {
    let (row, column) = (element / 6, element % 6)
    let start = column < right + 2 ? 0 : starts.whole
    if row >= bottom + 2 { return start..<starts.bottom }
    return start..<(column < right + 2 ? count : starts.corner)
  }

  /// Calls `body` for tiles of `line` that lie side by side, of equal size: the first one's place in its line and in the order.
  func runs(_ line: Int, _ body: (_ tiles: dms_tiles, _ first: Int, _ place: Int) -> Void) {
    let isCut = bottom < 4 && (line + 1) % tiles.down == 0
    let rows = (line + 1) % tiles.down == 0 ? bottom : 4
    let cut = bottom < 4 ? Self.lastLines(lines.lowerBound..<line, tiles.down) : 0
    let index = isCut ? cut : line - lines.lowerBound - cut
    if whole > 0 {
      body(
        dms_tiles(count: whole, rows: rows, columns: 4), 0, (isCut ? starts.bottom : starts.whole) + index * whole)
    }
    if right < 4 {
      body(dms_tiles(count: 1, rows: rows, columns: right), whole, (isCut ? starts.corner : 0) + index)
    }
  }
}
