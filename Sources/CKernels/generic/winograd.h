// Winograd transforms, one instruction set. The interpolation points are 0, +-A, +-B and infinity; points of size near one keep
// the error of float32 to a quarter of that of the usual 0, +-1, +-2 (Barabasz et al. 2020 on the choice of points).

#define A 0.6875f
#define B 1.375f

/// Six pixels in a line to six elements: B^T d.
INLINE void input_line(const vector d[6], vector t[6]) {
  const vector even_a = FMA((vector)(-B * B), d[2], d[4]), odd_a = FMA((vector)(-B * B), d[1], d[3]);
  const vector even_b = FMA((vector)(-A * A), d[2], d[4]), odd_b = FMA((vector)(-A * A), d[1], d[3]);
  t[0] = FMA((vector)(A * A * B * B), d[0], FMA((vector)(-A * A - B * B), d[2], d[4]));
  t[1] = FMA((vector)(A), odd_a, even_a);
  t[2] = FMA((vector)(-A), odd_a, even_a);
  t[3] = FMA((vector)(B), odd_b, even_b);
  t[4] = FMA((vector)(-B), odd_b, even_b);
  t[5] = FMA((vector)(A * A * B * B), d[1], FMA((vector)(-A * A - B * B), d[3], d[5]));
}

/// Of six pixels in a line only the first `known` reach an output: the others are given values for which elements from `known` on
/// are zero, and so need no products.
INLINE void set_unused_pixels(long known, vector d[6]) {
  if (known == 6) return;
  if (known < 4) d[3] = (vector)(A * A) * d[1];
  if (known < 5) d[4] = FMA((vector)(B), FMA((vector)(-A * A), d[1], d[3]), (vector)(A * A) * d[2]);
  d[5] = FMA((vector)(A * A + B * B), d[3], (vector)(-A * A * B * B) * d[1]);
}

/// Four pixels of a gradient in a line to six elements: A d, the transpose of `output_line`.
INLINE void upstream_line(const vector d[4], vector t[6]) {
  const vector even_a = FMA((vector)(A * A), d[2], d[0]), odd_a = FMA((vector)(A * A), d[3], d[1]);
  const vector even_b = FMA((vector)(B * B), d[2], d[0]), odd_b = FMA((vector)(B * B), d[3], d[1]);
  t[0] = d[0];
  t[1] = FMA((vector)(A), odd_a, even_a);
  t[2] = FMA((vector)(-A), odd_a, even_a);
  t[3] = FMA((vector)(B), odd_b, even_b);
  t[4] = FMA((vector)(-B), odd_b, even_b);
  t[5] = d[3];
}

/// Six elements to four outputs in a line: A^T m.
INLINE void output_line(const vector m[6], vector y[4]) {
  const vector sum_a = m[1] + m[2], difference_a = m[1] - m[2];
  const vector sum_b = m[3] + m[4], difference_b = m[3] - m[4];
  y[0] = m[0] + (sum_a + sum_b);
  y[1] = FMA((vector)(A), difference_a, (vector)(B) * difference_b);
  y[2] = FMA((vector)(A * A), sum_a, (vector)(B * B) * sum_b);
  y[3] = FMA((vector)(A * A * A), difference_a, FMA((vector)(B * B * B), difference_b, m[5]));
}

/// The weights' 1 / prod (p - q) over the other finite points q, for p = 0, +-A, +-B.
#define AT_ZERO (1 / (A * A * B * B))
#define AT_A (1 / (2 * A * A * (A * A - B * B)))
#define AT_B (1 / (2 * B * B * (B * B - A * A)))

/// Three taps in a line to six elements: G g.
INLINE void weight_line(const vector g[3], vector t[6]) {
  const vector even_a = (vector)(AT_A) * FMA((vector)(A * A), g[2], g[0]), odd_a = (vector)(AT_A * A) * g[1];
  const vector even_b = (vector)(AT_B) * FMA((vector)(B * B), g[2], g[0]), odd_b = (vector)(AT_B * B) * g[1];
  t[0] = (vector)(AT_ZERO) * g[0];
  t[1] = even_a + odd_a;
  t[2] = even_a - odd_a;
  t[3] = even_b + odd_b;
  t[4] = even_b - odd_b;
  t[5] = g[2];
}

/// Six elements to the gradients of three taps: G^T m.
INLINE void weight_gradient_line(const vector m[6], vector g[3]) {
  const vector sum_a = (vector)(AT_A) * (m[1] + m[2]), difference_a = (vector)(AT_A * A) * (m[1] - m[2]);
  const vector sum_b = (vector)(AT_B) * (m[3] + m[4]), difference_b = (vector)(AT_B * B) * (m[3] - m[4]);
  g[0] = FMA((vector)(AT_ZERO), m[0], sum_a + sum_b);
  g[1] = difference_a + difference_b;
  g[2] = FMA((vector)(A * A), sum_a, FMA((vector)(B * B), sum_b, m[5]));
}

/// Both transforms of a tile: down the columns, then along the rows.
#define TRANSFORM(from, to, down, along, in, out)               \
  vector half[to][from];                                        \
  for (int j = 0; j < from; j++) {                              \
    vector column[from], result[to];                            \
    for (int i = 0; i < from; i++) column[i] = in;              \
    down(column, result);                                       \
    for (int i = 0; i < to; i++) half[i][j] = result[i];        \
  }                                                             \
  for (int i = 0; i < to; i++) {                                \
    vector result[to];                                          \
    along(half[i], result);                                     \
    for (int j = 0; j < to; j++) out;                           \
  }

/// Prefetches one vector of each of the 36 elements, more streams than the hardware follows by itself.
INLINE void prefetch_elements(const float *p, long apart) {
  for (int f = 0; f < 36; f++) __builtin_prefetch(p + f * apart);
}

/// Patches of tiles to the first `high` x `wide` elements: 6x6 inputs, or 4x4 gradients where `upstream`, a constant.
INLINE void to_elements(int upstream, long high, long wide, const float *patch, long line, long channels, long tiles,
                        float *target, long apart, const dms_layout *layout) {
  for (long t = 0; t < tiles; t++)
    for (long c = 0; c < channels; c += LANES) {
      const float *pixel = patch + t * 4 * channels + c;
      float *place = target + t * layout->step + c / layout->width * layout->plane + c % layout->width;
      if (upstream) {
        TRANSFORM(4, 6, upstream_line, upstream_line, load_vector(pixel + i * line + j * channels),
                  if (i < high && j < wide) store_vector(place + (i * 6 + j) * apart, result[j]))
      } else {
#define DOWN(d, t) (set_unused_pixels(high, d), input_line(d, t))
#define ALONG(d, t) (set_unused_pixels(wide, d), input_line(d, t))
        TRANSFORM(6, 6, DOWN, ALONG, load_vector(pixel + i * line + j * channels),
                  if (i < high && j < wide) store_vector(place + (i * 6 + j) * apart, result[j]))
#undef DOWN
#undef ALONG
      }
    }
}

/// Whole tiles with constants, others as they are.
INLINE void any_to_elements(int upstream, const float *patch, long line, long channels, const dms_tiles *tiles,
                            float *target, long apart, const dms_layout *layout) {
  const long high = tiles->rows + 2, wide = tiles->columns + 2;
  if (high == 6 && wide == 6)
    to_elements(upstream, 6, 6, patch, line, channels, tiles->count, target, apart, layout);
  else
    to_elements(upstream, high, wide, patch, line, channels, tiles->count, target, apart, layout);
}

static void winograd_input(const float *patch, long line, long channels, const dms_tiles *tiles, float *target,
                           long apart, const dms_layout *layout) {
  any_to_elements(0, patch, line, channels, tiles, target, apart, layout);
}

static void winograd_upstream(const float *patch, long line, long channels, const dms_tiles *tiles, float *target,
                              long apart, const dms_layout *layout) {
  any_to_elements(1, patch, line, channels, tiles, target, apart, layout);
}

/// Tiles of `rows` x `columns` outputs from the first elements.
INLINE void from_elements(long rows, long columns, const float *products, long apart, long step, long tiles,
                          long channels, int adds, float *target, long line, long pixel) {
  for (long t = 0; t < tiles; t++)
    for (long c = 0; c < channels; c += LANES) {
      const long count = channels - c < LANES ? channels - c : LANES;
      const float *m = products + t * step + c;
      prefetch_elements(m + PREFETCH_OUTPUT * LANES, apart);
      float *place = target + 4 * t * pixel + c;
      TRANSFORM(6, 4, output_line, output_line,
                i < rows + 2 && j < columns + 2 ? load_vector(m + (i * 6 + j) * apart) : (vector)(0),
                if (i < rows && j < columns) store_some(place + i * line + j * pixel, result[j], count, adds))
    }
}

static void winograd_output(const float *products, long apart, long step, const dms_tiles *tiles, long channels,
                            int adds, float *target, long line, long pixel) {
  if (tiles->rows == 4 && tiles->columns == 4)
    from_elements(4, 4, products, apart, step, tiles->count, channels, adds, target, line, pixel);
  else
    from_elements(tiles->rows, tiles->columns, products, apart, step, tiles->count, channels, adds, target, line, pixel);
}

/// 3x3 taps of one vector to 36 places.
INLINE void weight_tile(const vector taps[9], float *place, long apart) {
  TRANSFORM(3, 6, weight_line, weight_line, taps[i * 3 + j], store_vector(place + (i * 6 + j) * apart, result[j]))
}

static void straight_weight(const float *weight, long inputs, long outputs, const dms_weight_part *part, float *packed,
                            long apart) {
  for (long c = 0; c < part->columns; c += NR)
    for (long i = 0; i < part->depth; i++)
      for (long v = 0; v < NR; v += LANES) {
        const long left = part->columns - c - v, width = left < LANES ? (left > 0 ? left : 0) : LANES;
        vector taps[9];
        for (long tap = 0; tap < 9; tap++) {
          const float *place = weight + (tap * inputs + part->first + i) * outputs + part->column + c + v;
          __builtin_prefetch(place + PREFETCH_ROWS * outputs);
          taps[tap] = load_up_to(place, width);
        }
        weight_tile(taps, packed + c * part->depth + i * NR + v, apart);
      }
}

/// Blocks of LANES x LANES weights are transposed on the way.
static void rotated_weight(const float *weight, long inputs, long outputs, const dms_weight_part *part, float *packed,
                           long apart) {
  for (long base = 0; base < part->depth; base += LANES) {
    const long height = part->depth - base < LANES ? part->depth - base : LANES;
    for (long c = 0; c < (part->columns + NR - 1) / NR * NR; c += LANES) {
      const long width = part->columns - c;
      vector block[9][LANES];
      for (long tap = 0; tap < 9; tap++) {
        for (long i = 0; i < LANES; i++) {
          const float *place = weight + (tap * inputs + part->column + c + i) * outputs + part->first + base;
          block[8 - tap][i] = i < width ? load_up_to(place, height) : (vector)(0);
        }
        transpose_block(block[8 - tap]);
      }
      for (long k = 0; k < height; k++) {
        vector taps[9];
        for (long tap = 0; tap < 9; tap++) taps[tap] = block[tap][k];
        weight_tile(taps, packed + c / NR * NR * part->depth + (base + k) * NR + c % NR, apart);
      }
    }
  }
}

static void winograd_weight(const float *weight, long inputs, long outputs, int rotated, const dms_weight_part *part,
                            float *packed, long apart) {
  if (rotated)
    rotated_weight(weight, inputs, outputs, part, packed, apart);
  else
    straight_weight(weight, inputs, outputs, part, packed, apart);
}

static void winograd_weight_gradient(const float *products, long apart, long rows, long columns, float *gradient,
                                     long line, long tap, int accumulate) {
  for (long k = 0; k < rows; k++)
    for (long c = 0; c < columns; c += LANES) {
      const long width = columns - c < LANES ? columns - c : LANES;
      const float *m = products + k * columns + c;
      prefetch_elements(m + PREFETCH_GRADIENT * LANES, apart);
      float *place = gradient + k * line + c;
      TRANSFORM(6, 3, weight_gradient_line, weight_gradient_line, load_up_to(m + (i * 6 + j) * apart, width),
                store_some(place + (i * 3 + j) * tap, result[j], width, accumulate))
    }
}
#undef A
#undef B
