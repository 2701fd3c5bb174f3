// Products, one instruction set. `include/product.h` describes the micro-kernel and its operands.

/// One whole panel of a transposed right side over `kc` steps of depth, in square blocks.
INLINE void pack_transposed(const float *source, long stride, long kc, float scale, float *target) {
  for (long c = 0; c < NR; c += LANES)
    for (long k = 0; k < kc; k += LANES) {
      vector block[LANES];
      for (long i = 0; i < LANES; i++) {
        const float *line = source + (c + i) * stride + k;
        block[i] = load_vector(line);
        __builtin_prefetch(line + LANES * stride);
      }
      transpose_block(block);
      for (long i = 0; i < LANES; i++) store_vector(target + (k + i) * NR + c, block[i] * scale);
    }
}

static void pack(const dms_matrix *right, long depth, long columns, float scale, long first, long count,
                 float *packed) {
  const long panels = (columns + NR - 1) / NR;
  for (long p = first; p < first + count; p++) {
    const long start = p / panels * KC, column = p % panels * NR;
    const long kc = depth - start < KC ? depth - start : KC;
    const long width = columns - column < NR ? columns - column : NR;
    float *target = packed + (start * panels + p % panels * kc) * NR;
    if (!right->transposed && width == NR) {
      // All whole panels of a row of the matrix before the next row: memory is read in order.
      long side = columns / NR - p % panels;
      if (side > first + count - p) side = first + count - p;
      const float *source = right->values + start * right->stride + column;
      for (long k = 0; k < kc; k++)
        for (long i = 0; i < side; i++) {
          const float *line = source + k * right->stride + i * NR;
          for (long c = 0; c < NR; c += CACHE_LINE) __builtin_prefetch(line + PREFETCH_ROWS * right->stride + c);
          for (long c = 0; c < NR; c++) target[(i * kc + k) * NR + c] = scale * line[c];
        }
      p += side - 1;
      continue;
    }
    if (right->transposed && width == NR && kc % LANES == 0) {
      pack_transposed(right->values + column * right->stride + start, right->stride, kc, scale, target);
      continue;
    }
    for (long k = 0; k < kc; k++)
      for (long c = 0; c < NR; c++) {
        const long i = start + k, j = column + c;
        target[k * NR + c] =
            c < width ? scale * right->values[right->transposed ? j * right->stride + i : i * right->stride + j] : 0;
      }
  }
}

static void transpose(const float *source, long rows, long columns, float *target, long stride, int accumulate) {
  for (long r = 0; r < rows; r += LANES)
    for (long c = 0; c < columns; c += LANES) {
      const long height = rows - r < LANES ? rows - r : LANES, width = columns - c < LANES ? columns - c : LANES;
      vector block[LANES];
      for (long i = 0; i < LANES; i++)
        block[i] = i < height ? load_up_to(source + (r + i) * columns + c, width) : (vector)(0);
      transpose_block(block);
      for (long i = 0; i < width; i++) store_some(target + (c + i) * stride + r, block[i], height, accumulate);
    }
}

/// One step of depth.
INLINE void multiply_add(int rows, int transposed, const float *left, const float *right, vector sums[MR][2]) {
  const vector b0 = load_vector(right), b1 = load_vector(right + LANES);
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    const vector x = (vector)(left[transposed ? r : r * KC]);
    sums[r][0] = FMA(x, b0, sums[r][0]);
    sums[r][1] = FMA(x, b1, sums[r][1]);
  }
}

/// The micro-kernel: `rows` rows of one panel over `kc` steps of depth. `rows` and `transposed` are constants where it is called.
/// `prefetches`: the target is prefetched while the products are summed.
INLINE void micro_kernel(int rows, int transposed, const float *left, long stride, const float *right, long kc, int adds,
                         long width, float *target, long target_stride, int prefetches) {
  vector sums[MR][2];
  const long step = transposed ? stride : 1;
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) {
    sums[r][0] = sums[r][1] = (vector)(0);
    if (prefetches) __builtin_prefetch(target + r * target_stride, 1);
    if (prefetches && NR > CACHE_LINE) __builtin_prefetch(target + r * target_stride + CACHE_LINE, 1);
  }
  long k = 0;
  for (; k + DEPTH_UNROLL <= kc; k += DEPTH_UNROLL, right += DEPTH_UNROLL * NR, left += DEPTH_UNROLL * step)
#pragma clang loop unroll(full)
    for (int i = 0; i < DEPTH_UNROLL; i++) multiply_add(rows, transposed, left + i * step, right + i * NR, sums);
  for (; k < kc; k++, right += NR, left += step) multiply_add(rows, transposed, left, right, sums);
  if (width == NR) {
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      float *line = target + r * target_stride;
      store_vector(line, adds ? load_vector(line) + sums[r][0] : sums[r][0]);
      store_vector(line + LANES, adds ? load_vector(line + LANES) + sums[r][1] : sums[r][1]);
    }
    return;
  }
  float spill[MR][NR];
  __builtin_memcpy(spill, sums, rows * sizeof spill[0]);
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < width; c++)
      target[r * target_stride + c] = (adds ? target[r * target_stride + c] : 0) + spill[r][c];
}

/// The micro-kernel for each count of rows, so that any number of rows splits into nearly equal tiles.
INLINE void micro_kernel_of(long rows, int transposed, const float *left, long stride, const float *right, long kc,
                            int adds, long width, float *target, long target_stride, int prefetches) {
#define TILE(n)                                                                                                      \
  case n:                                                                                                            \
    return micro_kernel(n, transposed, left, stride, right, kc, adds, width, target, target_stride, prefetches);
  switch (rows) {
    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#if MR > 6
    TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
  }
#undef TILE
}

static void multiply(const dms_left *left, const dms_right *right, long rows, long first, long count, long depth,
                     int accumulate, float *target, long stride, const dms_prefetch *prefetch) {
  const long panels = (right->columns + NR - 1) / NR, tiles = (rows + MR - 1) / MR;
  // The first `extra` tiles have a row more than the least.
  const long least = tiles ? rows / tiles : 0, extra = rows - least * tiles;
  const long begin = right->first, end = begin + depth;
  const long blocks = depth ? (end - 1) / KC - begin / KC + 1 : 0;
  const long all = blocks * ((count + NR - 1) / NR) * tiles;
  prefetching next = {0};
  if (prefetch) next = (prefetching){prefetch->regions, prefetch->count, 0, 0};
  const long share = all ? (prefetch_lines(prefetch) + all - 1) / all : 0;
  for (long start = begin, stop; start < end; start = stop) {
    const long base = start / KC * KC;
    const long packed = right->depth - base < KC ? right->depth - base : KC;
    stop = base + packed < end ? base + packed : end;
    const int adds = accumulate || start > begin;
    const float *from =
        left->values + (left->transposed ? start - begin : (start - begin) / KC) * left->stride;
    const float *block = right->values + (base * panels + start - base) * NR + first * packed;
    long c = 0;
    if (!left->transposed && has_zeros(from, rows, count, stop - start))
      c = multiply_skipping_zeros(from, rows, block, packed * NR, count, stop - start, adds, target, stride, &next,
                                  share);
    for (; c < count; c += NR) {
      const float *panel = block + c * packed;
      const long width = count - c < NR ? count - c : NR;
      for (long row = 0, t = 0; t < tiles; t++) {
        prefetch_next(&next, share);
        const long height = least + (t < extra);
        float *place = target + row * stride + c;
        // Later blocks of depth find the target in a cache.
        const int prefetches = start == begin;
        if (left->transposed)
          micro_kernel_of(height, 1, from + row, left->stride, panel, stop - start, adds, width, place, stride, prefetches);
        else
          micro_kernel_of(height, 0, from + row * KC, 0, panel, stop - start, adds, width, place, stride, prefetches);
        row += height;
      }
    }
  }
  if (depth == 0 && !accumulate)
    for (long r = 0; r < rows; r++)
      for (long c = 0; c < count; c++) target[r * stride + c] = 0;
}

static void fused_loop(long rounds, float *sink) {
  vector sums[MR][2];
  const vector a = load_vector(sink), b = load_vector(sink + LANES);
#pragma clang loop unroll(full)
  for (int r = 0; r < MR; r++) sums[r][0] = sums[r][1] = b;
  for (long k = 0; k < rounds; k++) {
#pragma clang loop unroll(full)
    for (int r = 0; r < MR; r++) {
      sums[r][0] = FMA(sums[r][0], a, b);
      sums[r][1] = FMA(sums[r][1], a, b);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < MR; r++) store_vector(sink, load_vector(sink) + sums[r][0] + sums[r][1]);
}
