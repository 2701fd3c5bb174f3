/// Forward computations in double precision, for maps whose values are stored as two float32: the nearest, and the rest (Dekker 1971).
#ifndef DMS_EXACT_H
#define DMS_EXACT_H
#include "source.h"

/// Channels `first ..< first + channels` of rows `row ..< row + rows` of a source without arriving gradient; element (r, c) goes to
/// `y[r * stride + c]`, with the source's stride.
void dms_exact_load(const dms_source *source, long row, long rows, long first, long channels, double *y);

/// Stores `values` [rows, columns], `step` doubles a row, with their rests, `stride` floats a row.
void dms_exact_store(const double *values, long rows, long columns, long step, float *y, float *rest, long stride);

/// a + b, each with its norm but without its ReLU, or a alone where b is NULL, negative values zero where `relu`: a block of rows and
/// channels as above, stored with its rests. Both sides have one stride.
void dms_exact_sum(const dms_source *a, const dms_source *b, int relu, long row, long rows, long first, long channels,
                   float *y, float *rest);

/// Sum of x - x[0] and of its square for `channels` channels over `rows` rows, `stride` floats apart.
void dms_exact_moments(const float *x, const float *rest, long rows, long stride, long channels, double *sum,
                       double *squares);

/// Packs columns `first ..< first + count` of right [depth, columns]: for each vector of columns [depth][vector], zeros beyond the
/// last. `first` is a multiple of the vector's width.
void dms_exact_pack(const float *right, long depth, long columns, long first, long count, double *packed);

/// sums [rows, count], `step` doubles a row = left [rows, depth] * packed right, summed in order of depth; `right` begins with the
/// first column's vector. Whole vectors of sums are written.
void dms_exact_product(const double *left, const double *right, long rows, long count, long depth, double *sums,
                       long step);

#endif
