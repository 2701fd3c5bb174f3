/// Matrix products on one thread, in float32: target [rows, columns] (+)= left [rows, depth] * right [depth, columns].
///
/// The micro-kernel computes up to `dms_rows()` rows of one panel of `dms_panel()` columns, all in registers. Depth is cut into
/// runs of `DMS_RUN`: short sums round less than long ones, and a run of a panel stays in the nearest cache. Where a left side by
/// rows has zeros enough, their products are skipped: the same sums, bit by bit, as long as the right side is finite.
///
/// Left side, two forms:
///  - by rows: for each run, [rows][DMS_RUN]; element (r, k) at `values[k / DMS_RUN * stride + r * DMS_RUN + k % DMS_RUN]`;
///  - transposed: element (r, k) at `values[k * stride + r]`.
/// Right side: for each run, panels [run][panel], zeros beyond the last column. It is packed once and serves many products.
#ifndef DMS_PRODUCT_H
#define DMS_PRODUCT_H

/// Products summed before they are added to the target.
enum { DMS_RUN = 128 };

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

/// `rows` rows of `columns` floats, `stride` apart, from each of a few places: they are read side by side.
typedef struct {
  const float *values[4];
  long places, stride, rows, columns;
} dms_region;

/// Memory that will be read next, in this order. A product prefetches it bit by bit while it computes.
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

/// The most rows that the micro-kernel computes at once.
long dms_rows(void);

/// Columns of a panel.
long dms_panel(void);

/// Floats that the packed form of a right side [depth, columns] takes.
long dms_packed_count(long depth, long columns);

/// Panels of a packed right side, over all runs; what `dms_pack` can be shared out by.
long dms_pack_panels(long depth, long columns);

/// Packs panels `first ..< first + count` of right [depth, columns], multiplied by `scale`.
void dms_pack(const dms_matrix *right, long depth, long columns, float scale, long first, long count, float *packed);

/// target [columns, rows] = source [rows, columns] transposed, with `stride` floats a row of the target.
void dms_transpose(const float *source, long rows, long columns, float *target, long stride);

/// Columns `first ..< first + count` of the product over `depth`; `first` is a multiple of the panel's. The left side begins at the
/// right side's `first` depth, which, where it lies by rows, begins a run. `target` is where row 0 of column `first` goes and has
/// `stride` floats a row. `prefetch` may be NULL.
void dms_multiply(const dms_left *left, const dms_right *right, long rows, long first, long count, long depth,
                  int accumulate, float *target, long stride, const dms_prefetch *prefetch);

/// `rounds` rounds of 2 * `dms_rows()` multiply-adds of whole vectors, all in registers: the most a core can do. `sink` has room
/// for two vectors.
void dms_fused_loop(long rounds, float *sink);

#endif
