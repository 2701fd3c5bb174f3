// Batch norm's sums and passes, one instruction set. A few rows are added in float32 before double precision takes over.

enum { SHORT_RUN = 8 };

typedef double wide __attribute__((ext_vector_type(LANES)));

/// Adds up `a` and `b`, which `element` computes for row r and vector v, over all rows; `scale` multiplies the second sum.
#define SUM_ROWS(vectors, rows, element, sum, product, scale)                               \
  wide total_a[vectors], total_b[vectors];                                                  \
  for (int v = 0; v < vectors; v++) total_a[v] = total_b[v] = (wide)(0);                    \
  for (long start = 0; start < rows; start += SHORT_RUN) {                                  \
    const long end = start + SHORT_RUN < rows ? start + SHORT_RUN : rows;                   \
    vector short_a[vectors], short_b[vectors];                                              \
    for (int v = 0; v < vectors; v++) short_a[v] = short_b[v] = (vector)(0);                \
    for (long r = start; r < end; r++)                                                      \
      for (int v = 0; v < vectors; v++) {                                                   \
        vector a, b;                                                                        \
        element;                                                                            \
        short_a[v] += a;                                                                    \
        short_b[v] += b;                                                                    \
      }                                                                                     \
    for (int v = 0; v < vectors; v++) {                                                     \
      total_a[v] += __builtin_convertvector(short_a[v], wide);                              \
      total_b[v] += __builtin_convertvector(short_b[v], wide);                              \
    }                                                                                       \
  }                                                                                         \
  for (int v = 0; v < vectors; v++)                                                         \
    for (long i = 0; i < (count < LANES ? count : LANES); i++) {                            \
      (sum)[v * LANES + i] = total_a[v][i];                                                 \
      (product)[v * LANES + i] = total_b[v][i] * (scale);                                   \
    }

INLINE void moments_of(int vectors, const float *x, const float *reference, long rows, long stride, long count,
                       double *sum, double *squares) {
  vector origin[2];
  for (int v = 0; v < vectors; v++) origin[v] = load_up_to(reference + v * LANES, count);
  SUM_ROWS(vectors, rows, a = load_up_to(x + r * stride + v * LANES, count) - origin[v]; b = a * a, sum, squares, 1)
}

static void moments(const float *x, const float *reference, long rows, long stride, long channels, double *sum,
                    double *squares) {
  for (long c = 0; c < channels;) {
    const long rest = channels - c;
    if (rest >= 2 * LANES) {
      moments_of(2, x + c, reference + c, rows, stride, LANES, sum + c, squares + c);
      c += 2 * LANES;
    } else {
      moments_of(1, x + c, reference + c, rows, stride, rest < LANES ? rest : LANES, sum + c, squares + c);
      c += LANES;
    }
  }
}

INLINE void gradient_sums_of(int vectors, const dms_source *s, long row, long rows, long c, long count, double *sum,
                             double *product) {
  coefficients k[2];
  for (int v = 0; v < vectors; v++) k[v] = coefficients_of(NORM, s, c + v * LANES, count);
  const vector floor = (vector)(s->relu ? 0 : -__builtin_inff());
  const float *x = s->x + row * s->stride + c, *g = s->arriving + row * s->stride + c;
  SUM_ROWS(vectors, rows, const long at = r * s->stride + v * LANES;
           __builtin_prefetch(x + at + AHEAD * s->stride);
           const vector y = load_up_to(x + at, count);
           a = normalise(y, k[v].scale, k[v].bias, k[v].mean) > floor ? load_up_to(g + at, count) : (vector)(0);
           b = a * (y - k[v].mean), sum, product, s->norm.inverse[c + v * LANES + i])
}

static void gradient_sums(const dms_source *s, long row, long rows, long first, long channels, double *sum,
                          double *product) {
  for (long c = 0; c < channels;) {
    const long rest = channels - c;
    if (rest >= 2 * LANES) {
      gradient_sums_of(2, s, row, rows, first + c, LANES, sum + c, product + c);
      c += 2 * LANES;
    } else {
      gradient_sums_of(1, s, row, rows, first + c, rest < LANES ? rest : LANES, sum + c, product + c);
      c += LANES;
    }
  }
}

INLINE void residual_block(int a_pending, int b_pending, int vectors, const dms_source *a, const dms_source *b, long row,
                           long rows, long c, long count, float *y) {
  coefficients ka[4], kb[4];
  for (int v = 0; v < vectors; v++) {
    ka[v] = coefficients_of(a_pending ? NORM : PLAIN, a, c + v * LANES, count);
    kb[v] = coefficients_of(b_pending ? NORM : PLAIN, b, c + v * LANES, count);
  }
  const vector none = (vector)(-__builtin_inff()), zero = (vector)(0);
  for (long r = row; r < row + rows; r++)
    for (int v = 0; v < vectors; v++) {
      const long at = r * a->stride + c + v * LANES;
      __builtin_prefetch(a->x + at + AHEAD * a->stride);
      __builtin_prefetch(b->x + at + AHEAD * a->stride);
      const vector p = value(a_pending ? NORM : PLAIN, load_up_to(a->x + at, count), zero, ka + v, none);
      const vector q = value(b_pending ? NORM : PLAIN, load_up_to(b->x + at, count), zero, kb + v, none);
      store_some(y + at, above(p + q, zero), count, 0);
    }
}

INLINE void residual_kind(int a_pending, int b_pending, const dms_source *a, const dms_source *b, long row, long rows,
                          long first, long channels, float *y) {
  for (long c = first; c < first + channels;) {
    const long rest = first + channels - c;
    if (rest >= 4 * LANES) {
      residual_block(a_pending, b_pending, 4, a, b, row, rows, c, LANES, y);
      c += 4 * LANES;
    } else {
      residual_block(a_pending, b_pending, 1, a, b, row, rows, c, rest < LANES ? rest : LANES, y);
      c += LANES;
    }
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
      __builtin_prefetch(output + at + c + AHEAD / 2 * stride);
      const vector m = load_up_to(output + at + c, count) > 0 ? load_up_to(g + at + c, count) : (vector)(0);
      store_some(y + at + c, m, count, 0);
    }
  }
}
