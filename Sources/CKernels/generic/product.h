// The product kernels of one instruction set, written once. Before including: LANES (floats of a vector), ROWS (rows of the
// micro-kernel's tile), NAME(x) (the set's own name of x). A tile is ROWS x 2 vectors, all in registers (Goto and van de
// Geijn 2008; BLIS).

typedef float vector __attribute__((ext_vector_type(LANES), aligned(4)));
enum { PANEL = 2 * LANES };

static void NAME(pack)(const dms_matrix *right, long depth, long columns, float scale, long first, long count,
                       float *packed) {
  const long panels = (columns + PANEL - 1) / PANEL;
  for (long p = first; p < first + count; p++) {
    const long start = p / panels * DMS_RUN, column = p % panels * PANEL;
    const long run = depth - start < DMS_RUN ? depth - start : DMS_RUN;
    const long width = columns - column < PANEL ? columns - column : PANEL;
    float *target = packed + (start * panels + p % panels * run) * PANEL;
    if (!right->transposed && width == PANEL) {
      const float *source = right->values + start * right->stride + column;
      for (long k = 0; k < run; k++)
        for (long c = 0; c < PANEL; c++) target[k * PANEL + c] = scale * source[k * right->stride + c];
      continue;
    }
    for (long k = 0; k < run; k++)
      for (long c = 0; c < PANEL; c++) {
        const long i = start + k, j = column + c;
        target[k * PANEL + c] =
            c < width ? scale * right->values[right->transposed ? j * right->stride + i : i * right->stride + j] : 0;
      }
  }
}

/// Rows [ROWS] of left, `run` deep from `start`, zeros beyond `rows`: as they lie in memory, so that packing is copying.
/// [ROWS][DMS_RUN] from a plain matrix, [run][ROWS] from a transposed one.
static inline void NAME(pack_left)(const dms_matrix *left, long row, long rows, long start, long run, float *target) {
  if (left->transposed) {
    for (long k = 0; k < run; k++) {
      const float *source = left->values + (start + k) * left->stride + row;
      if (rows == ROWS)
        for (long r = 0; r < ROWS; r++) target[k * ROWS + r] = source[r];
      else
        for (long r = 0; r < ROWS; r++) target[k * ROWS + r] = r < rows ? source[r] : 0;
    }
    return;
  }
  for (long r = 0; r < ROWS; r++) {
    const float *source = left->values + (row + r) * left->stride + start;
    for (long k = 0; k < run; k++) target[r * DMS_RUN + k] = r < rows ? source[k] : 0;
  }
}

/// sums = left * right over `run`; element (r, k) of the packed left side lies at r * row_step + k * step, both constant.
static inline __attribute__((always_inline)) void NAME(tile)(const float *left, long row_step, long step,
                                                             const float *right, long run, vector sums[ROWS][2]) {
#pragma clang fp contract(fast)
#pragma clang loop unroll(full)
  for (int r = 0; r < ROWS; r++) sums[r][0] = sums[r][1] = (vector)(0);
  for (long k = 0; k < run; k++) {
    const vector b0 = *(const vector *)(right + k * PANEL), b1 = *(const vector *)(right + k * PANEL + LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < ROWS; r++) {
      const vector a = (vector)(left[r * row_step + k * step]);
      sums[r][0] = a * b0 + sums[r][0];
      sums[r][1] = a * b1 + sums[r][1];
    }
  }
}

static void NAME(multiply)(const dms_matrix *left, const float *packed, long rows, long columns, long depth,
                           int accumulate, float *target, long stride, float *scratch) {
  const long panels = (columns + PANEL - 1) / PANEL;
  for (long start = 0; start < depth; start += DMS_RUN) {
    const long run = depth - start < DMS_RUN ? depth - start : DMS_RUN;
    const int adds = accumulate || start > 0;
    for (long row = 0; row < rows; row += ROWS)
      NAME(pack_left)(left, row, rows - row < ROWS ? rows - row : ROWS, start, run, scratch + row * DMS_RUN);
    for (long p = 0; p < panels; p++) {
      const float *right = packed + (start * panels + p * run) * PANEL;
      const long width = columns - p * PANEL < PANEL ? columns - p * PANEL : PANEL;
      for (long row = 0; row < rows; row += ROWS) {
        vector sums[ROWS][2];
        if (left->transposed)
          NAME(tile)(scratch + row * DMS_RUN, 1, ROWS, right, run, sums);
        else
          NAME(tile)(scratch + row * DMS_RUN, DMS_RUN, 1, right, run, sums);
        float *place = target + row * stride + p * PANEL;
        const long height = rows - row < ROWS ? rows - row : ROWS;
        if (width == PANEL && height == ROWS) {
#pragma clang loop unroll(full)
          for (int r = 0; r < ROWS; r++) {
            vector *line = (vector *)(place + r * stride), *rest = (vector *)(place + r * stride + LANES);
            *line = adds ? *line + sums[r][0] : sums[r][0];
            *rest = adds ? *rest + sums[r][1] : sums[r][1];
          }
          continue;
        }
        float spill[ROWS][PANEL];
        __builtin_memcpy(spill, sums, sizeof spill);
        for (long r = 0; r < height; r++)
          for (long c = 0; c < width; c++) place[r * stride + c] = (adds ? place[r * stride + c] : 0) + spill[r][c];
      }
    }
  }
  if (depth == 0 && !accumulate)
    for (long r = 0; r < rows; r++)
      for (long c = 0; c < columns; c++) target[r * stride + c] = 0;
}

static void NAME(narrow)(const float *left, const float *right, float *target, long rows, long columns, long depth) {
  for (long r = 0; r < rows; r++) {
    double sums[DMS_NARROW] = {0};
    for (long k = 0; k < depth; k++) {
      const double x = left[r * depth + k];
      const float *line = right + k * columns;
      for (long c = 0; c < columns; c++) sums[c] += x * line[c];
    }
    for (long c = 0; c < columns; c++) target[r * columns + c] = (float)sums[c];
  }
}
