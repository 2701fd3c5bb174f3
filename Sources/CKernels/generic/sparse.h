// Products that skip the zeros of their left side, which ReLU leaves in half of it. One instruction set.
//
// A row is multiplied by SPARSE_PANELS panels at a time, and only by those of their lines whose elements of the row are not zero: as
// many multiplications as the row has such elements, where the micro-kernel computes them all. Every sum has the micro-kernel's
// terms in the micro-kernel's order, less those that add zero: results are the same bits.

/// A bit for each of up to `MASK` elements.
typedef unsigned long long mask;

enum { MASK = 64, MASKS = KC / MASK };

/// Columns that a row is multiplied by at a time; `MASK` of their lines stay in the first cache while all rows use them.
enum { SPARSE_COLUMNS = SPARSE_PANELS * NR };

typedef _Bool truth __attribute__((ext_vector_type(LANES)));

/// Which of up to `MASK` elements are not zero.
INLINE mask nonzero(const float *x, long count) {
  mask all = 0;
  for (long i = 0; i < count; i += LANES) {
    const vector v = load_up_to(x + i, count - i < LANES ? count - i : LANES);
    const truth some = __builtin_convertvector(v != (vector)(0), truth);
    unsigned short bits = 0;
    __builtin_memcpy(&bits, &some, sizeof some);
    all |= (mask)bits << i;
  }
  return all;
}

/// The masks of one row of a block of `kc` steps of depth.
INLINE void masks_of(const float *row, long kc, mask masks[MASKS]) {
  for (long i = 0; i < MASKS; i++) {
    const long count = kc - i * MASK;
    masks[i] = count > 0 ? nonzero(row + i * MASK, count < MASK ? count : MASK) : 0;
  }
}

/// Whether skipping zeros is faster: there are columns enough, no more rows than their sums have room, and zeros in the first rows of
/// a left side by rows.
INLINE int has_zeros(const float *left, long rows, long count, long kc) {
  if (count < SPARSE_COLUMNS || rows > MC) return 0;
  const long sample = rows < SPARSE_SAMPLE_ROWS ? rows : SPARSE_SAMPLE_ROWS;
  long terms = 0;
  for (long r = 0; r < sample; r++) {
    mask masks[MASKS];
    masks_of(left + r * KC, kc, masks);
    for (long i = 0; i < MASKS; i++) terms += __builtin_popcountll(masks[i]);
  }
  return 16 * terms <= (16 - SPARSE_LEAST_SIXTEENTHS) * sample * kc;
}

/// The elements of one row that `terms` names, times their lines of the panels, which lie `apart` floats from each other: added to
/// the sums at `before`, if any, and stored at `target`, or added to it.
INLINE void multiply_row(const float *left, mask terms, const float *right, long apart, const float *before, int adds,
                         float *target) {
  vector sums[2 * SPARSE_PANELS];
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * SPARSE_PANELS; i++) sums[i] = before ? load_vector(before + i * LANES) : (vector)(0);
  for (; terms; terms &= terms - 1) {
    const long k = __builtin_ctzll(terms);
    const vector x = (vector)(left[k]);
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * SPARSE_PANELS; i++)
      sums[i] = FMA(x, load_vector(right + k * NR + i / 2 * apart + i % 2 * LANES), sums[i]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * SPARSE_PANELS; i++)
    store_vector(target + i * LANES, adds ? load_vector(target + i * LANES) + sums[i] : sums[i]);
}

/// The first of a product's `count` columns over one block of depth, `SPARSE_COLUMNS` at a time as long as there are so many;
/// returns how many it computed. `share` is how many cache lines the micro-kernel would prefetch a tile.
INLINE long multiply_skipping_zeros(const float *left, long rows, const float *right, long apart, long count, long kc,
                                    int adds, float *target, long stride, prefetching *next, long share) {
  mask masks[MC][MASKS];
  // The sums over the first steps of depth, for the ones after them.
  float sums[MC][SPARSE_COLUMNS];
  for (long r = 0; r < rows; r++) masks_of(left + r * KC, kc, masks[r]);
  const long parts = (kc + MASK - 1) / MASK;
  const long lines = (share * SPARSE_PANELS + MR * parts - 1) / (MR * parts);
  long c = 0;
  for (; c + SPARSE_COLUMNS <= count; c += SPARSE_COLUMNS)
    for (long i = 0; i < parts; i++)
      for (long r = 0; r < rows; r++) {
        const float *row = left + r * KC + i * MASK, *before = i > 0 ? sums[r] : 0;
        const float *panels = right + c / NR * apart + i * MASK * NR;
        prefetch_next(next, lines);
        // The target is used after the last part; until then it has time to be loaded.
        for (long l = 0; i == 0 && l < SPARSE_COLUMNS; l += CACHE_LINE) __builtin_prefetch(target + r * stride + c + l, 1);
        if (i < parts - 1)
          multiply_row(row, masks[r][i], panels, apart, before, 0, sums[r]);
        else if (adds)
          multiply_row(row, masks[r][i], panels, apart, before, 1, target + r * stride + c);
        else
          multiply_row(row, masks[r][i], panels, apart, before, 0, target + r * stride + c);
      }
  return c;
}
