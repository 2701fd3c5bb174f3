// What every instruction set's `tuning.h` defines. MR, NR, KC and MC are named as in BLIS (Van Zee and van de Geijn 2015).
//
//   LANES                    Floats of a vector: 4, 8 or 16.
//   MR                       Rows of the micro-kernel's tile: 6 or 12.
//   NR                       Columns of the tile, and of a panel of a packed right side: two vectors.
//   KC                       Steps of depth that are summed in registers before the target is touched; packed forms are cut at it.
//   MC                       Rows of a left side that a caller multiplies at once.
//   DEPTH_UNROLL             Steps of depth that the micro-kernel's loop takes at a time.
//   SPARSE_PANELS            Panels that the kernel for left sides with zeros multiplies a row by at a time.
//   SPARSE_SAMPLE_ROWS       Rows whose zeros are counted to choose between that kernel and the micro-kernel.
//   SPARSE_LEAST_SIXTEENTHS  Sixteenths of zeros in them from which on that kernel is chosen.
//   COEFFICIENT_VECTORS      Vectors of a row that are loaded together where a norm is pending: 4.
//   PLAIN_VECTORS            The same where nothing is pending: at least 4.
//   PREFETCH_ROWS            How many rows before they are read rows are prefetched where they are loaded or packed.
//   PREFETCH_OUTPUT          How many vectors before they are read Winograd's products are prefetched for the output's transform.
//   PREFETCH_GRADIENT        The same for the weight gradient's transform.
//   SHORT_SUM                Rows that a norm's sums add in float32 before double precision takes over.
//
// Only LANES, KC and SHORT_SUM decide which sums are rounded where. KC and SHORT_SUM are the same everywhere, so that all sets with
// fused multiply-adds compute the same bits.

/// Floats of a cache line: 64 bytes on x86-64 and on most arm64 processors.
#define CACHE_LINE 16

_Static_assert(LANES == 4 || LANES == 8 || LANES == 16, "kernels know vectors of 4, 8 and 16 floats");
_Static_assert(MR == 6 || MR == 12, "the micro-kernel is compiled for 6 or 12 rows");
_Static_assert(NR == 2 * LANES, "a tile is two vectors wide");
_Static_assert(KC % 64 == 0 && KC % DEPTH_UNROLL == 0, "blocks of depth are whole masks of 64 elements");
_Static_assert(COEFFICIENT_VECTORS == 4 && PLAIN_VECTORS >= 4, "rows are loaded in blocks of 4, 2 and 1 vectors");
