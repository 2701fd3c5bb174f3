/// Products of narrow matrices.
#ifndef DMS_PRODUCT_H
#define DMS_PRODUCT_H

/// The widest product of `dms_narrow_product`.
enum { DMS_NARROW = 32 };

/// target [rows, columns] = left [rows, depth] * right [depth, columns], row major, columns at most `DMS_NARROW`, summed in
/// double precision.
void dms_narrow_product(const float *left, const float *right, float *target, long rows, long columns, long depth);

#endif
