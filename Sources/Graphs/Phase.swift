import Tensors

/// A part of an operation's work, after which all threads wait for one another.
///
/// Chunks are cut by shape alone and do not know the thread they run on, so results do not depend on the number of threads.
public struct Phase {
  /// How many chunks there are.
  public let chunks: Int
  /// Does one chunk, with a scratch area of the thread's own.
  public let body: (_ chunk: Int, _ scratch: UnsafeMutableRawPointer) -> Void

  /// For a phase without work at whose place a program waits for others that run side by side with it: what each brings to this meeting,
  /// in values of a row of their table.
  public private(set) var meeting: Int?

  /// A phase of `chunks` independent chunks.
  public init(chunks: Int, _ body: @escaping (_ chunk: Int, _ scratch: UnsafeMutableRawPointer) -> Void) {
    self.chunks = chunks
    self.body = body
  }

  /// The place of a meeting with rows of `columns` values.
  public static func meeting(_ columns: Int) -> Phase {
    var phase = Phase(chunks: 0) { _, _ in }
    phase.meeting = columns
    return phase
  }

  /// A phase over `0 ..< count` in pieces of `grain` (the last may be shorter).
  public static func ranges(_ count: Int, grain: Int, _ body: @escaping (Range<Int>) -> Void) -> Phase {
    let grain = max(1, grain)
    return Phase(chunks: (count + grain - 1) / grain) { chunk, _ in
      body(chunk * grain..<min(count, (chunk + 1) * grain))
    }
  }

  /// A phase over `pieces`.
  public static func pieces(
    _ pieces: Pieces, _ body: @escaping (_ rows: Range<Int>, _ channels: Range<Int>) -> Void
  ) -> Phase {
    Phase(chunks: pieces.count) { chunk, _ in
      let piece = pieces[chunk]
      body(piece.rows, piece.channels)
    }
  }

  /// This phase, each chunk followed at once, on the same thread, by the same chunk of `next`.
  func joined(_ next: Phase) -> Phase {
    precondition(chunks == next.chunks, "phases of \(chunks) and \(next.chunks) chunks cannot be joined")
    let (first, second) = (body, next.body)
    return Phase(chunks: chunks) { chunk, scratch in
      first(chunk, scratch)
      second(chunk, scratch)
    }
  }
}
