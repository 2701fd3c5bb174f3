// Products that skip the zeros of their left side, which ReLU leaves in half of it. One instruction set.
//
// A row meets a few panels at a time, and of them only the lines of those of its elements that are not zero: as many
// multiplications as it has such elements, where tiles of several rows do them all. Every sum has a tile's terms in a tile's order,
// less those that add zero: results are the same bits.

/// A bit for each element of a part of a run.
typedef unsigned long long mask;

enum { MASK = 64, MASKS = DMS_RUN / MASK };

/// Columns that a row meets at a time: chains of sums enough to hide an addition's latency. `MASK` of their lines stay in the nearest
/// cache while all rows meet them.
enum { NEAR_PANELS = 4, NEAR = NEAR_PANELS * PANEL };

/// The most rows: their sums over one part of a run wait, on the stack, for the next part.
enum { MOST_ROWS = 128 };

/// Rows whose zeros tell whether skipping pays, and of how many sixteenths of zeros on it does.
enum { TELLING_ROWS = 8, ENOUGH_ZEROS = 5 };

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

/// The masks of one row of a run.
INLINE void masks_of(const float *row, long run, mask masks[MASKS]) {
  for (long i = 0; i < MASKS; i++) {
    const long count = run - i * MASK;
    masks[i] = count > 0 ? nonzero(row + i * MASK, count < MASK ? count : MASK) : 0;
  }
}

/// Whether skipping pays: there are columns enough, and zeros in the first rows of a left side by rows.
INLINE int has_zeros(const float *left, long rows, long count, long run) {
  if (count < NEAR || rows > MOST_ROWS) return 0;
  const long some = rows < TELLING_ROWS ? rows : TELLING_ROWS;
  long terms = 0;
  for (long r = 0; r < some; r++) {
    mask masks[MASKS];
    masks_of(left + r * DMS_RUN, run, masks);
    for (long i = 0; i < MASKS; i++) terms += __builtin_popcountll(masks[i]);
  }
  return 16 * terms <= (16 - ENOUGH_ZEROS) * some * run;
}

/// One row's elements in `rest`, times their lines of the panels, which lie `apart` floats from each other: added to the sums at
/// `before`, if any, and stored at `target`, or added to it.
INLINE void meet(const float *left, mask rest, const float *right, long apart, const float *before, int adds,
                 float *target) {
  vector sums[2 * NEAR_PANELS];
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * NEAR_PANELS; i++) sums[i] = before ? load_vector(before + i * LANES) : (vector)(0);
  for (; rest; rest &= rest - 1) {
    const long k = __builtin_ctzll(rest);
    const vector x = (vector)(left[k]);
#pragma clang loop unroll(full)
    for (int i = 0; i < 2 * NEAR_PANELS; i++)
      sums[i] = FMA(x, load_vector(right + k * PANEL + i / 2 * apart + i % 2 * LANES), sums[i]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 2 * NEAR_PANELS; i++)
    store_vector(target + i * LANES, adds ? load_vector(target + i * LANES) + sums[i] : sums[i]);
}

/// The first of a product's `count` columns over one run, as many as come `NEAR` at a time; returns their number.
INLINE long skip_zeros(const float *left, long rows, const float *right, long apart, long count, long run, int adds,
                       float *target, long stride, prefetching *next, long share) {
  mask masks[MOST_ROWS][MASKS];
  float sums[MOST_ROWS][NEAR];
  for (long r = 0; r < rows; r++) masks_of(left + r * DMS_RUN, run, masks[r]);
  const long parts = (run + MASK - 1) / MASK;
  // A row's part of what the tiles would prefetch.
  const long lines = (share * NEAR_PANELS + ROWS * parts - 1) / (ROWS * parts);
  long c = 0;
  for (; c + NEAR <= count; c += NEAR)
    for (long i = 0; i < parts; i++)
      for (long r = 0; r < rows; r++) {
        const float *place = left + r * DMS_RUN + i * MASK;
        const float *near = right + c / PANEL * apart + i * MASK * PANEL, *before = i > 0 ? sums[r] : 0;
        prefetch_next(next, lines);
        // The target, which may come from afar, is wanted after the last part.
        for (long l = 0; i == 0 && l < NEAR; l += 16) __builtin_prefetch(target + r * stride + c + l, 1);
        if (i < parts - 1)
          meet(place, masks[r][i], near, apart, before, 0, sums[r]);
        else if (adds)
          meet(place, masks[r][i], near, apart, before, 1, target + r * stride + c);
        else
          meet(place, masks[r][i], near, apart, before, 0, target + r * stride + c);
      }
  return c;
}
