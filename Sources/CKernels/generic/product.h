// Products, one instruction set. Before including: ROWS (rows of the micro-kernel's tile, at most 12). A tile is ROWS x 2
// vectors, all in registers (Goto and van de Geijn 2008; BLIS).

/// One whole panel of a transposed right side, in square blocks.
INLINE void pack_transposed(const float *source, long stride, long run, float scale, float *target) {
  for (long c = 0; c < PANEL; c += LANES)
    for (long k = 0; k < run; k += LANES) {
      vector block[LANES];
      for (long i = 0; i < LANES; i++) {
        const float *line = source + (c + i) * stride + k;
        block[i] = load_vector(line);
        __builtin_prefetch(line + LANES * stride);
      }
      transpose_block(block);
      for (long i = 0; i < LANES; i++) store_vector(target + (k + i) * PANEL + c, block[i] * scale);
    }
}

static void pack(const dms_matrix *right, long depth, long columns, float scale, long first, long count,
                 float *packed) {
  const long panels = (columns + PANEL - 1) / PANEL;
  for (long p = first; p < first + count; p++) {
    const long start = p / panels * DMS_RUN, column = p % panels * PANEL;
    const long run = depth - start < DMS_RUN ? depth - start : DMS_RUN;
    const long width = columns - column < PANEL ? columns - column : PANEL;
    float *target = packed + (start * panels + p % panels * run) * PANEL;
    if (!right->transposed && width == PANEL) {
      // Whole panels side by side, row by row of the matrix: memory is read in order.
      long side = columns / PANEL - p % panels;
      if (side > first + count - p) side = first + count - p;
      const float *source = right->values + start * right->stride + column;
      for (long k = 0; k < run; k++)
        for (long i = 0; i < side; i++) {
          const float *line = source + k * right->stride + i * PANEL;
          for (long c = 0; c < PANEL; c += 16) __builtin_prefetch(line + PREFETCH_ROWS * right->stride + c);
          for (long c = 0; c < PANEL; c++) target[(i * run + k) * PANEL + c] = scale * line[c];
        }
      p += side - 1;
      continue;
    }
    if (right->transposed && width == PANEL && run % LANES == 0) {
      pack_transposed(right->values + column * right->stride + start, right->stride, run, scale, target);
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

static void transpose(const float *source, long rows, long columns, float *target, long stride) {
  for (long r = 0; r < rows; r += LANES)
    for (long c = 0; c < columns; c += LANES) {
      const long height = rows - r < LANES ? rows - r : LANES, width = columns - c < LANES ? columns - c : LANES;
      vector block[LANES];
      for (long i = 0; i < LANES; i++)
        block[i] = i < height ? load_up_to(source + (r + i) * columns + c, width) : (vector)(0);
      transpose_block(block);
      for (long i = 0; i < width; i++) store_some(target + (c + i) * stride + r, block[i], height, 0);
    }
}

/// Steps of depth that the loop takes at a time.
enum { DEEP = 4 };

/// One step of depth.
INLINE void multiply_add(int rows, int transposed, const float *left, const float *right, vector sums[ROWS][2]) {
  const vector b0 = load_vector(right), b1 = load_vector(right + LANES);
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    const vector x = (vector)(left[transposed ? r : r * DMS_RUN]);
    sums[r][0] = FMA(x, b0, sums[r][0]);
    sums[r][1] = FMA(x, b1, sums[r][1]);
  }
}

/// `rows` rows of one panel over one run; `rows` and `transposed` are constants where it is called. `isFar`: the target comes
/// from afar, while the run is summed.
INLINE void tile(int rows, int transposed, const float *left, long stride, const float *right, long run, int adds,
                 long width, float *target, long target_stride, int isFar) {
  vector sums[ROWS][2];
  const long step = transposed ? stride : 1;
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    sums[r][0] = sums[r][1] = (vector)(0);
    if (isFar) __builtin_prefetch(target + r * target_stride, 1);
    if (isFar && PANEL > 16) __builtin_prefetch(target + r * target_stride + 16, 1);
  }
  long k = 0;
  for (; k + DEEP <= run; k += DEEP, right += DEEP * PANEL, left += DEEP * step)
#pragma clang loop unroll(full)
    for (int i = 0; i < DEEP; i++) multiply_add(rows, transposed, left + i * step, right + i * PANEL, sums);
  for (; k < run; k++, right += PANEL, left += step) multiply_add(rows, transposed, left, right, sums);
  if (width == PANEL) {
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      float *line = target + r * target_stride;
      store_vector(line, adds ? load_vector(line) + sums[r][0] : sums[r][0]);
      store_vector(line + LANES, adds ? load_vector(line + LANES) + sums[r][1] : sums[r][1]);
    }
    return;
  }
  float spill[ROWS][PANEL];
  __builtin_memcpy(spill, sums, rows * sizeof spill[0]);
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < width; c++)
      target[r * target_stride + c] = (adds ? target[r * target_stride + c] : 0) + spill[r][c];
}

/// The micro-kernel for each count of rows, so that any number of rows splits into nearly equal tiles.
INLINE void any_tile(long rows, int transposed, const float *left, long stride, const float *right, long run, int adds,
                     long width, float *target, long target_stride, int isFar) {
#define TILE(n)                                                                                    \
  case n:                                                                                          \
    return tile(n, transposed, left, stride, right, run, adds, width, target, target_stride, isFar);
  switch (rows) {
    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if ROWS > 6
    TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
  }
#undef TILE
}

static void multiply(const dms_left *left, const dms_right *right, long rows, long first, long count, long depth,
                     int accumulate, float *target, long stride, const dms_prefetch *prefetch) {
  const long panels = (right->columns + PANEL - 1) / PANEL, tiles = (rows + ROWS - 1) / ROWS;
  // The first `extra` tiles have a row more than the least.
  const long least = tiles ? rows / tiles : 0, extra = rows - least * tiles;
  const long begin = right->first, end = begin + depth;
  const long runs = depth ? (end - 1) / DMS_RUN - begin / DMS_RUN + 1 : 0;
  const long all = runs * ((count + PANEL - 1) / PANEL) * tiles;
  prefetching next = {0};
  if (prefetch) next = (prefetching){prefetch->regions, prefetch->count, 0, 0};
  const long share = all ? (prefetch_lines(prefetch) + all - 1) / all : 0;
  for (long start = begin, stop; start < end; start = stop) {
    const long base = start / DMS_RUN * DMS_RUN;
    const long packed = right->depth - base < DMS_RUN ? right->depth - base : DMS_RUN;
    stop = base + packed < end ? base + packed : end;
    const int adds = accumulate || start > begin;
    const float *from =
        left->values + (left->transposed ? start - begin : (start - begin) / DMS_RUN) * left->stride;
    const float *panels_of_run = right->values + (base * panels + start - base) * PANEL + first * packed;
    long c = 0;
    if (!left->transposed && has_zeros(from, rows, count, stop - start))
      c = skip_zeros(from, rows, panels_of_run, packed * PANEL, count, stop - start, adds, target, stride, &next, share);
    for (; c < count; c += PANEL) {
      const float *panel = panels_of_run + c * packed;
      const long width = count - c < PANEL ? count - c : PANEL;
      for (long row = 0, t = 0; t < tiles; t++) {
        prefetch_next(&next, share);
        const long height = least + (t < extra);
        float *place = target + row * stride + c;
        const int isFar = start == begin;
        if (left->transposed)
          any_tile(height, 1, from + row, left->stride, panel, stop - start, adds, width, place, stride, isFar);
        else
          any_tile(height, 0, from + row * DMS_RUN, 0, panel, stop - start, adds, width, place, stride, isFar);
        row += height;
      }
    }
  }
  if (depth == 0 && !accumulate)
    for (long r = 0; r < rows; r++)
      for (long c = 0; c < count; c++) target[r * stride + c] = 0;
}

static void fused_loop(long rounds, float *sink) {
  vector sums[ROWS][2];
  const vector a = load_vector(sink), b = load_vector(sink + LANES);
#pragma clang loop unroll(full)
  for (int r = 0; r < ROWS; r++) sums[r][0] = sums[r][1] = b;
  for (long k = 0; k < rounds; k++) {
#pragma clang loop unroll(full)
    for (int r = 0; r < ROWS; r++) {
      sums[r][0] = FMA(sums[r][0], a, b);
      sums[r][1] = FMA(sums[r][1], a, b);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < ROWS; r++) store_vector(sink, load_vector(sink) + sums[r][0] + sums[r][1]);
}
