// Forward computations in double precision, one instruction set; results are stored with their rests.

/// A vector of values as the nearest floats and what they leave.
INLINE void store_whole(float *p, float *rest, wide v, long count) {
  const vector near = __builtin_convertvector(v, vector);
  store_some(p, near, count, 0);
  store_some(rest, __builtin_convertvector(v - __builtin_convertvector(near, wide), vector), count, 0);
}

INLINE wide positive(wide v) { return v < 0 ? 0 : v; }

static void exact_load(const dms_source *s, long row, long rows, long first, long channels, double *y) {
  for (long r = row; r < row + rows; r++)
    for (long c = first; c < first + channels; c += LANES) {
      const long left = first + channels - c, count = left < LANES ? left : LANES;
      const wide v = exact_value(s, r, c, count), w = s->relu ? positive(v) : v;
      __builtin_memcpy(y + r * s->stride + c, &w, count * sizeof(double));
    }
}

static void exact_store(const double *values, long rows, long columns, long step, float *y, float *rest, long stride) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < columns; c += LANES) {
      const long count = columns - c < LANES ? columns - c : LANES;
      wide v = (wide)(0);
      __builtin_memcpy(&v, values + r * step + c, count * sizeof(double));
      store_whole(y + r * stride + c, rest + r * stride + c, v, count);
    }
}

static void exact_sum(const dms_source *a, const dms_source *b, int relu, long row, long rows, long first, long channels,
                      float *y, float *rest) {
  for (long r = row; r < row + rows; r++)
    for (long c = first; c < first + channels; c += LANES) {
      const long left = first + channels - c, count = left < LANES ? left : LANES, at = r * a->stride + c;
      wide v = exact_value(a, r, c, count);
      if (b) v += exact_value(b, r, c, count);
      store_whole(y + at, rest + at, relu ? positive(v) : v, count);
    }
}

static void exact_moments(const float *x, const float *rest, long rows, long stride, long channels, double *sum,
                          double *squares) {
  for (long c = 0; c < channels; c += LANES) {
    const long count = channels - c < LANES ? channels - c : LANES;
    const wide origin = load_wide(x, 0, c, count);
    wide total = (wide)(0), square = (wide)(0);
    for (long r = 0; r < rows; r++) {
      const wide v = load_wide(x, rest, r * stride + c, count) - origin;
      total += v;
      square += v * v;
    }
    for (long i = 0; i < count; i++) {
      sum[c + i] = total[i];
      squares[c + i] = square[i];
    }
  }
}

static void exact_pack(const float *right, long depth, long columns, long first, long count, double *packed) {
  for (long c = first; c < first + count; c += LANES) {
    const long width = columns - c < LANES ? columns - c : LANES;
    for (long k = 0; k < depth; k++) {
      const wide v = load_wide(right, 0, k * columns + c, width);
      __builtin_memcpy(packed + c * depth + k * LANES, &v, sizeof v);
    }
  }
}

/// `rows` rows of one vector of columns over one run of depth; the count is a constant where it is called.
INLINE void exact_tile(int rows, const double *left, long step, const double *right, long run, int adds, double *sums,
                       long columns) {
  wide total[ROWS];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    total[r] = (wide)(0);
    if (adds) __builtin_memcpy(&total[r], sums + r * columns, sizeof total[r]);
  }
  for (long k = 0; k < run; k++) {
    wide b;
    __builtin_memcpy(&b, right + k * LANES, sizeof b);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) total[r] = FMA((wide)(left[r * step + k]), b, total[r]);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) __builtin_memcpy(sums + r * columns, &total[r], sizeof total[r]);
}

/// Depth that is summed at a time: a vector of columns of it stays in the nearest cache.
enum { EXACT_RUN = 256 };

static void exact_product(const double *left, const double *right, long rows, long count, long depth, double *sums,
                          long step) {
  for (long start = 0; start < depth; start += EXACT_RUN) {
    const long run = depth - start < EXACT_RUN ? depth - start : EXACT_RUN;
    for (long c = 0; c < count; c += LANES) {
      const double *panel = right + c * depth + start * LANES;
      long r = 0;
      for (; r + ROWS <= rows; r += ROWS)
        exact_tile(ROWS, left + r * depth + start, depth, panel, run, start > 0, sums + r * step + c, step);
      for (; r + ROWS / 3 <= rows; r += ROWS / 3)
        exact_tile(ROWS / 3, left + r * depth + start, depth, panel, run, start > 0, sums + r * step + c, step);
      for (; r < rows; r++)
        exact_tile(1, left + r * depth + start, depth, panel, run, start > 0, sums + r * step + c, step);
    }
  }
}
