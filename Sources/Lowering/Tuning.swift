import CKernels

/// Elements of one chunk of element-wise work: 64 KiB of float32, well inside a core's own cache.
let elementGrain = 16_384

/// How work is cut, and where one algorithm takes over from another. What depends on the instruction set comes from the kernels' own
/// table (`Sources/CKernels/<set>/tuning.h`); all other values are here, and are the same for all of them, since cuts decide in which
/// order partial sums are added.
///
/// Caches: "first" and "second" are a core's own (32 KiB and at least 512 KiB), "shared" is the last. Sizes are in floats. Where
/// nothing is said, a value follows from the size of a cache and was not compared with others.
enum Tuning {
  /// Floats of a vector.
  static var lanes: Int { dms_tuning_in_use().pointee.lanes }
  /// Rows of the micro-kernel's tile.
  static var mr: Int { dms_tuning_in_use().pointee.mr }
  /// Columns of the micro-kernel's tile and of a packed panel.
  static var nr: Int { dms_tuning_in_use().pointee.nr }
  /// Steps of depth between two visits to the target.
  static var kc: Int { dms_tuning_in_use().pointee.kc }
  /// Rows of a left side that are multiplied at once.
  static var mc: Int { dms_tuning_in_use().pointee.mc }

  /// Floats of a cache line, and of the widest vector.
  static let line = 16
  /// Chunks that a phase should have: enough for as many threads.
  static let chunks = 8
  /// Half of a second cache of 1 MiB, or all of one of 512 KiB.
  static let secondCache = 131_072

  /// Element-wise work of other kinds than `elementGrain` is for.
  enum Elements {
    /// Elements of a chunk that computes an exponential for each.
    static let exponentials = 2048
    /// Elements of a chunk that computes in double precision, one by one.
    static let doubles = 4096
    /// Channels of a chunk that joins the partial sums of many rows.
    static let joined = 64
    /// Channels of a chunk that computes a few coefficients for each.
    static let coefficients = 1024
    /// The most chunks of a sum over instances, each with partial sums of its own.
    static let mostPartialSums = 64
  }

  /// Products after the trunk.
  enum MatrixProducts {
    /// Rows of a chunk of a tall left side.
    static let rows = 64
    /// Multiplications up to which OpenBLAS's kernels for small matrices run, which allocate memory: those products are ours.
    static let mostOfOwn = 1_000_000
  }

  /// Convolutions as products of matrices.
  enum Products {
    /// The fewest rows of a piece: two of the tallest tiles.
    static let leastRows = 24
    /// Floats of a piece's im2col matrix.
    static let im2col = 196_608
    /// The most pieces of rows, the fewest rows of a piece and the fewest columns of one that are made for the threads' sake.
    static let mostPieces = 48
    static let leastSharedRows = 48
    static let leastSharedColumns = 128
    /// Steps of depth that are loaded at once.
    static var depth: Int { 2 * kc }
    /// Panels of a chunk that packs a right side.
    static let packedPanels = 8
    /// Rows of products that col2im adds to the map at once.
    static let col2imRows = 192
  }

  /// Gradients of weights as products of matrices.
  enum WeightGradients {
    /// Floats of a small weight, whose sums a chunk keeps in its second cache.
    static let smallWeight = secondCache
    /// Rows of a section of a small weight's gradient at least: each section has sums of its own to add.
    static let sectionRows = 256
    /// Floats of both sides that are loaded at once, and the fewest rows.
    static let loaded = 49_152
    static let leastRows = 32
    /// Columns of a block of a large weight's gradient at least: two of the tallest tiles.
    static let leastColumns = 24
    /// Floats of the packed side and of the im2col matrix: 8 and 16 MiB of the shared cache.
    static let packed = 2 << 20
    static let im2col = 4 << 20
    /// Rows of a chunk of im2col.
    static let im2colRows = 32
  }

  /// Winograd's tiles.
  enum Tiles {
    /// The fewest channels on either side: where tiles are asked for, and where they are chosen by cost.
    static let leastChannels = 16
    static let leastChannelsByCost = 33
    /// The cost model, in multiplications: of the transforms of a tile's inputs and outputs, a channel; of a weight's transform, a
    /// pair of channels; of the 9 products of direct convolution with their im2col, an output and pair. Measured against the 36
    /// products of a tile.
    static let tileCost = 240
    static let weightCost = 200
    static let directCost = 10
    /// Inputs times outputs of a small weight, whose transform stays in a core's own cache.
    static let smallWeight = 16_384
    /// Inputs and outputs of the tiles of a chunk with a small weight, in floats of one element, and the fewest tiles: a line of a
    /// map of 112 pixels.
    static let local = 5120
    static let leastLocalTiles = 28
    /// Tiles of a chunk with a large weight, which share a block's transformed weights: a left side's rows.
    static var most: Int { mc }
    /// Channels of such a block, a panel or two of the widest instruction set: the more, the less often inputs are read from the
    /// shared cache; the fewer, the more chunks there are for threads.
    static let narrowBlock = 32
    static let wideBlock = 64
    /// Steps of depth whose transformed weights stay in a core's own cache, a part of KC: 36 x 64 x 64 floats, 576 KiB.
    static let depth = 64
    /// Floats of one element of both sides of a section of a weight's gradient: times 36, 12 MiB of the shared cache.
    static let section = 87_040
    /// Inputs times outputs from which on a weight's gradient goes by blocks, and the width of a block: 36 x 64 x 64 floats.
    static let largeWeight = 1 << 16
    static let gradientBlock = 64
    /// Inputs of a chunk that transforms a small weight's gradient back.
    static let finished = 8
  }
}
