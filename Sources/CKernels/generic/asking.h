// Memory that a product asks for while it computes, bit by bit.

/// Where asking has come to: cache line `line` of row `row`, at each place, of the first of `count` regions.
typedef struct {
  const dms_region *region;
  long count, row, line;
} asking;

/// Cache lines of all regions, those side by side counted once.
INLINE long lines_of(const dms_ahead *ahead) {
  long lines = 0;
  for (long i = 0; ahead && i < ahead->count; i++)
    lines += ahead->regions[i].rows * ((ahead->regions[i].columns + 15) / 16);
  return lines;
}

/// Asks for the next `lines` cache lines. They are meant for the second cache: the first has the tile's.
INLINE void ask(asking *a, long lines) {
  for (; lines > 0 && a->count > 0; lines--) {
    const long at = a->row * a->region->stride + a->line * 16;
    __builtin_prefetch(a->region->values[0] + at, 0, 2);
    if (a->region->places > 1) __builtin_prefetch(a->region->values[1] + at, 0, 2);
    if (a->region->places > 2) __builtin_prefetch(a->region->values[2] + at, 0, 2);
    if (a->region->places > 3) __builtin_prefetch(a->region->values[3] + at, 0, 2);
    if (++a->line * 16 < a->region->columns) continue;
    a->line = 0;
    if (++a->row < a->region->rows) continue;
    a->row = 0;
    a->region++;
    a->count--;
  }
}
