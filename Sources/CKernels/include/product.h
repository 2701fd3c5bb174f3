/// Matrix products on one thread, in float32: target [rows, columns] (+)= left [rows, depth] * right [depth, columns].
///
/// The interface of the micro-kernel. MR, NR and KC are the instruction set's (`dms_tuning`). The micro-kernel computes a tile of at
/// most MR x NR of the target in registers, over a block of at most KC steps of depth, and then stores it or adds it to the target
/// (Goto and van de Geijn 2008; Van Zee and van de Geijn 2015). Its operands:
///  - left side by rows: for each block of depth, [rows][KC]; element (r, k) at `values[k / KC * stride + r * KC + k % KC]`;
///  - or left side transposed: element (r, k) at `values[k * stride + r]`;
///  - right side, packed: for each block of depth, panels [steps of the block][NR], zeros beyond the last column. It is packed once
///    and used for many products;
///  - target by rows, any number of floats apart.
///
/// Where a left side by rows has zeros enough, their products are skipped: the same sums, bit by bit, as long as the right side is
/// finite.
#ifndef DMS_PRODUCT_H
#define DMS_PRODUCT_H

/// A matrix in memory: element (i, j) lies at `values[i * stride + j]`, or at `values[j * stride + i]` where transposed.
typedef struct {
  const float *values;
  long stride;
  int transposed;
} dms_matrix;

/// A left side in one of its two forms.
typedef struct {
  const float *values;
  long stride;
  int transposed;
} dms_left;

/// A packed right side [depth, columns], of which the product takes depth `first` and on.
typedef struct {
  const float *values;
  long depth, columns, first;
} dms_right;

/// `rows` rows of `columns` floats, `stride` apart, from each of a few places, row by row of all places.
typedef struct {
  const float *values[4];
  long places, stride, rows, columns;
} dms_region;

/// Memory that will be read next, in this order. A product prefetches it while it computes, a part with every tile.
typedef struct {
  long count;
  dms_region regions[4];
} dms_prefetch;

/// Adds rows at one more place, beside those added before where they have the same shape; none where there is no room.
static inline void dms_prefetch_add(dms_prefetch *prefetch, const float *values, long stride, long rows, long columns) {
  if (rows <= 0 || columns <= 0) return;
  dms_region *last = prefetch->count ? &prefetch->regions[prefetch->count - 1] : 0;
  if (!last || last->places == 4 || last->stride != stride || last->rows != rows || last->columns != columns) {
    if (prefetch->count == 4) return;
    last = &prefetch->regions[prefetch->count++];
    *last = (dms_region){{0}, 0, stride, rows, columns};
  }
  last->values[last->places++] = values;
}

/// Floats that the packed form of a right side [depth, columns] takes.
long dms_packed_count(long depth, long columns);

/// Panels of a packed right side, over all blocks of depth; what threads can share the packing out by.
long dms_pack_panels(long depth, long columns);

/// Packs panels `first ..< first + count` of right [depth, columns], multiplied by `scale`.
void dms_pack(const dms_matrix *right, long depth, long columns, float scale, long first, long count, float *packed);

/// target [columns, rows] = source [rows, columns] transposed, with `stride` floats a row of the target; or += it.
void dms_transpose(const float *source, long rows, long columns, float *target, long stride, int accumulate);

/// Columns `first ..< first + count` of the product over `depth`; `first` is a multiple of NR. The left side begins at the right
/// side's `first` depth, which, where it lies by rows, begins a block of depth. `target` is where row 0 of column `first` goes and has
/// `stride` floats a row. `prefetch` may be NULL.
void dms_multiply(const dms_left *left, const dms_right *right, long rows, long first, long count, long depth,
                  int accumulate, float *target, long stride, const dms_prefetch *prefetch);

/// `rounds` rounds of 2 * MR multiply-adds of whole vectors, all in registers: the most a core can do. `sink` has room
/// for two vectors.
void dms_fused_loop(long rounds, float *sink);

#endif
