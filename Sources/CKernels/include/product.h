/// Matrix products on one thread, row major, in float32. The right side is packed once and then serves many products.
///
/// Packed right side: for each run of `DMS_RUN` of the depth, panels of `dms_panel()` columns, each panel [run][panel], zeros
/// beyond the last column. Depth is summed in runs: short sums round less than long ones.
#ifndef DMS_PRODUCT_H
#define DMS_PRODUCT_H

/// Products summed before they are added to the target.
enum { DMS_RUN = 64 };

/// The widest product of `dms_narrow_product`.
enum { DMS_NARROW = 32 };

/// A matrix in memory: element (i, j) lies at `values[i * stride + j]`, or at `values[j * stride + i]` where transposed.
typedef struct {
  const float *values;
  long stride;
  int transposed;
} dms_matrix;

/// Rows that the micro-kernel computes at once: chunks of rows had best be multiples of it.
long dms_rows(void);

/// Columns of a panel.
long dms_panel(void);

/// Floats that the packed form of a right side [depth, columns] takes.
long dms_packed_count(long depth, long columns);

/// Panels of a packed right side, over all runs; what `dms_pack` can be shared out by.
long dms_pack_panels(long depth, long columns);

/// Packs panels `first ..< first + count` of right [depth, columns], multiplied by `scale`.
void dms_pack(const dms_matrix *right, long depth, long columns, float scale, long first, long count, float *packed);

/// Floats of scratch memory that a product of `rows` rows wants.
long dms_multiply_scratch(long rows);

/// target [rows, columns] (+)= left [rows, depth] * packed; `target` has `stride` floats a row.
void dms_multiply(const dms_matrix *left, const float *packed, long rows, long columns, long depth, int accumulate,
                  float *target, long stride, float *scratch);

/// target [rows, columns] = left [rows, depth] * right [depth, columns], row major, columns at most `DMS_NARROW`, summed in
/// double precision.
void dms_narrow_product(const float *left, const float *right, float *target, long rows, long columns, long depth);

#endif
