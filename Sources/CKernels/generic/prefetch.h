// Memory that a product prefetches while it computes, a few cache lines a tile: more of them at once would hold up its own loads.

/// What is prefetched next: cache line `line` of row `row`, at each place, of the first of `count` regions.
typedef struct {
  const dms_region *region;
  long count, row, line;
} prefetching;

/// Cache lines of all regions, those side by side counted once.
INLINE long prefetch_lines(const dms_prefetch *prefetch) {
  long lines = 0;
  for (long i = 0; prefetch && i < prefetch->count; i++)
    lines += prefetch->regions[i].rows * ((prefetch->regions[i].columns + CACHE_LINE - 1) / CACHE_LINE);
  return lines;
}

/// Prefetches the next `lines` cache lines into the second cache: the first holds the tile's operands.
INLINE void prefetch_next(prefetching *a, long lines) {
  for (; lines > 0 && a->count > 0; lines--) {
    const long at = a->row * a->region->stride + a->line * CACHE_LINE;
    __builtin_prefetch(a->region->values[0] + at, 0, 2);
    if (a->region->places > 1) __builtin_prefetch(a->region->values[1] + at, 0, 2);
    if (a->region->places > 2) __builtin_prefetch(a->region->values[2] + at, 0, 2);
    if (a->region->places > 3) __builtin_prefetch(a->region->values[3] + at, 0, 2);
    if (++a->line * CACHE_LINE < a->region->columns) continue;
    a->line = 0;
    if (++a->row < a->region->rows) continue;
    a->row = 0;
    a->region++;
    a->count--;
  }
}
