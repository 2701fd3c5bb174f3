// Batch norm's sums and passes, one instruction set. Rows are read in the order of memory, which the hardware prefetches by itself;
// SHORT_SUM of them are added in float32 before double precision takes over.

/// Adds the first `count` lanes to totals in memory.
INLINE void add_wide(double *total, vector v, long count) {
  const wide more = __builtin_convertvector(v, wide);
  if (count == LANES) {
    wide sum;
    __builtin_memcpy(&sum, total, sizeof sum);
    sum += more;
    __builtin_memcpy(total, &sum, sizeof sum);
  } else {
    for (long i = 0; i < count; i++) total[i] += more[i];
  }
}

/// Adds up `a` and `b`, which `element` computes for row r and `count` channels from c, over all rows; `constants` are those of
/// the channels.
#define SUM_ROWS(rows, channels, constants, element, sum, product)               \
  for (long c = 0; c < channels; c++) sum[c] = product[c] = 0;                   \
  for (long start = 0; start < rows; start += SHORT_SUM) {                       \
    const long end = start + SHORT_SUM < rows ? start + SHORT_SUM : rows;        \
    for (long c = 0; c < channels; c += LANES) {                                 \
      const long count = channels - c < LANES ? channels - c : LANES;            \
      vector a, b, short_a = (vector)(0), short_b = (vector)(0);                 \
      constants;                                                                 \
      for (long r = start; r < end; r++) {                                       \
        element;                                                                 \
        short_a += a;                                                            \
        short_b += b;                                                            \
      }                                                                          \
      add_wide(sum + c, short_a, count);                                         \
      add_wide(product + c, short_b, count);                                     \
    }                                                                            \
  }

static void moments(const float *x, const float *reference, long rows, long stride, long channels, double *sum,
                    double *squares) {
  SUM_ROWS(rows, channels, const vector origin = load_up_to(reference + c, count),
           a = load_up_to(x + r * stride + c, count) - origin;
           b = a * a, sum, squares)
}

static void gradient_sums(const dms_source *s, long row, long rows, long first, long channels, double *sum,
                          double *product) {
  const vector floor = (vector)(s->relu ? 0 : -__builtin_inff());
  const float *x = s->x + row * s->stride + first, *g = s->upstream + row * s->stride + first;
  SUM_ROWS(rows, channels, const coefficients k = coefficients_of(NORM, s, first + c, count),
           const vector y = load_up_to(x + r * s->stride + c, count);
           const vector n = normalise(y, k.scale, k.bias, k.mean);
           a = n > floor ? load_up_to(g + r * s->stride + c, count) : (vector)(0);
           b = a * (y - k.mean), sum, product)
  for (long c = 0; c < channels; c++) product[c] *= s->norm.inverse[first + c];
}

/// The sum of two maps, each with its norm or without, and ReLU.
INLINE void residual_kind(int a_pending, int b_pending, const dms_source *a, const dms_source *b, long row, long rows,
                          long first, long channels, float *y) {
  const vector none = (vector)(-__builtin_inff()), zero = (vector)(0);
  for (long r = row; r < row + rows; r++)
    for (long c = first; c < first + channels; c += LANES) {
      const long at = r * a->stride + c, left = first + channels - c, count = left < LANES ? left : LANES;
      const coefficients ka = coefficients_of(a_pending ? NORM : PLAIN, a, c, count);
      const coefficients kb = coefficients_of(b_pending ? NORM : PLAIN, b, c, count);
      const vector p = value(a_pending ? NORM : PLAIN, load_up_to(a->x + at, count), zero, &ka, none);
      const vector q = value(b_pending ? NORM : PLAIN, load_up_to(b->x + at, count), zero, &kb, none);
      store_some(y + at, above(p + q, zero), count, 0);
    }
}

static void residual(const dms_source *a, const dms_source *b, long row, long rows, long first, long channels,
                     float *y) {
  if (a->norm.scale && b->norm.scale)
    residual_kind(1, 1, a, b, row, rows, first, channels, y);
  else if (a->norm.scale)
    residual_kind(1, 0, a, b, row, rows, first, channels, y);
  else if (b->norm.scale)
    residual_kind(0, 1, a, b, row, rows, first, channels, y);
  else
    residual_kind(0, 0, a, b, row, rows, first, channels, y);
}

static void relu_gradient(const float *g, const float *output, long stride, long row, long rows, long first,
                          long channels, float *y) {
  for (long r = row; r < row + rows; r++) {
    const long at = r * stride + first;
    for (long c = 0; c < channels; c += LANES) {
      const long count = channels - c < LANES ? channels - c : LANES;
      const vector m = load_up_to(output + at + c, count) > 0 ? load_up_to(g + at + c, count) : (vector)(0);
      store_some(y + at + c, m, count, 0);
    }
  }
}
