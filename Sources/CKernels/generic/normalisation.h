// Batch norm's sums and passes, one instruction set. A run of rows is added in float32 before double precision takes over.

enum { SHORT_RUN = 4 };

typedef double wide __attribute__((ext_vector_type(LANES)));

/// Sums of `a` and `b`, vectors that `element` computes for row r, over all rows.
#define SUM_ROWS(rows, element, sum, squares, factor)                                       \
  wide total_a = (wide)(0), total_b = (wide)(0);                                            \
  for (long start = 0; start < rows; start += SHORT_RUN) {                                  \
    const long end = start + SHORT_RUN < rows ? start + SHORT_RUN : rows;                   \
    vector short_a = (vector)(0), short_b = (vector)(0);                                    \
    for (long r = start; r < end; r++) {                                                    \
      vector a, b;                                                                          \
      element;                                                                              \
      short_a += a;                                                                         \
      short_b += b;                                                                         \
    }                                                                                       \
    total_a += __builtin_convertvector(short_a, wide);                                      \
    total_b += __builtin_convertvector(short_b, wide) * (factor);                           \
  }                                                                                         \
  for (long i = 0; i < count; i++) (sum)[i] = total_a[i], (squares)[i] = total_b[i];

INLINE void moments_of(const float *x, const float *reference, long rows, long stride, long count, double *sum,
                       double *squares) {
  const vector origin = load_up_to(reference, count);
  SUM_ROWS(rows, a = load_up_to(x + r * stride, count) - origin; b = a * a, sum, squares, 1.0)
}

static void moments(const float *x, const float *reference, long rows, long stride, long channels, double *sum,
                    double *squares) {
  for (long c = 0; c < channels; c += LANES)
    if (channels - c >= LANES)
      moments_of(x + c, reference + c, rows, stride, LANES, sum + c, squares + c);
    else
      moments_of(x + c, reference + c, rows, stride, channels - c, sum + c, squares + c);
}

INLINE void gradient_sums_of(const dms_source *s, long row, long rows, long c, long count, double *sum,
                             double *product) {
  const coefficients k = coefficients_of(NORM, s, c, count);
  const vector floor = (vector)(s->relu ? 0 : -__builtin_inff()), inverse = load_some(s->norm.inverse + c, count);
  const float *x = s->x + row * s->stride + c, *g = s->arriving + row * s->stride + c;
  SUM_ROWS(rows, const vector v = load_up_to(x + r * s->stride, count);
           const vector m = load_up_to(g + r * s->stride, count);
           a = normalise(v, k.scale, k.bias, k.mean) > floor ? m : (vector)(0);
           b = a * (v - k.mean), sum, product, __builtin_convertvector(inverse, wide))
}

static void gradient_sums(const dms_source *s, long row, long rows, long first, long channels, double *sum,
                          double *product) {
  for (long c = 0; c < channels; c += LANES)
    if (channels - c >= LANES)
      gradient_sums_of(s, row, rows, first + c, LANES, sum + c, product + c);
    else
      gradient_sums_of(s, row, rows, first + c, channels - c, sum + c, product + c);
}

INLINE void residual_kind(int a_pending, int b_pending, const dms_source *a, const dms_source *b, long row, long rows,
                          long c, long count, float *y) {
  const coefficients ka = coefficients_of(a_pending ? NORM : PLAIN, a, c, count);
  const coefficients kb = coefficients_of(b_pending ? NORM : PLAIN, b, c, count);
  const vector none = (vector)(-__builtin_inff()), zero = (vector)(0);
  for (long r = row; r < row + rows; r++) {
    const vector p = value(a_pending ? NORM : PLAIN, load_up_to(a->x + r * a->stride + c, count), zero, &ka, none);
    const vector q = value(b_pending ? NORM : PLAIN, load_up_to(b->x + r * b->stride + c, count), zero, &kb, none);
    const vector v = above(p + q, zero);
    if (count == LANES)
      store_vector(y + r * a->stride + c, v);
    else
      __builtin_memcpy(y + r * a->stride + c, &v, count * sizeof(float));
  }
}

static void residual(const dms_source *a, const dms_source *b, long row, long rows, long first, long channels,
                     float *y) {
  for (long c = first; c < first + channels; c += LANES) {
    const long rest = first + channels - c, count = rest < LANES ? rest : LANES;
    if (a->norm.scale && b->norm.scale)
      residual_kind(1, 1, a, b, row, rows, c, count, y);
    else if (a->norm.scale)
      residual_kind(1, 0, a, b, row, rows, c, count, y);
    else if (b->norm.scale)
      residual_kind(0, 1, a, b, row, rows, c, count, y);
    else
      residual_kind(0, 0, a, b, row, rows, c, count, y);
  }
}

static void relu_gradient(const float *g, const float *output, long stride, long row, long rows, long first,
                          long channels, float *y) {
  for (long r = row; r < row + rows; r++) {
    const long at = r * stride + first;
    for (long c = 0; c < channels; c++) y[at + c] = output[at + c] > 0 ? g[at + c] : 0;
  }
}
