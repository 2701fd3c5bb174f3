/// Batch norm over channels-last rows: the batch's moments, the sums its gradient needs, and the end of a residual block.
#ifndef DMS_NORMALISATION_H
#define DMS_NORMALISATION_H
#include "source.h"

/// Sum of x - reference and of its square for `channels` channels over `rows` rows, `stride` floats apart. A few rows are added in
/// float32, their sums in double precision, as PyTorch's are.
void dms_moments(const float *x, const float *reference, long rows, long stride, long channels, double *sum,
                 double *squares);

/// Of a source with an upstream gradient, per channel `first ..< first + channels`, over rows `row ..< row + rows`: sum of
/// m * upstream and of m * upstream * (x - mean) * inverse. Precision as in `dms_moments`.
void dms_gradient_sums(const dms_source *source, long row, long rows, long first, long channels, double *sum,
                       double *product);

/// y = max(0, a + b) for channels `first ..< first + channels` of rows `row ..< row + rows`; each side may have a norm pending.
/// All three have `a.stride` floats a row.
void dms_residual(const dms_source *a, const dms_source *b, long row, long rows, long first, long channels, float *y);

/// y = g where `output` is positive, zero elsewhere: the gradient of a ReLU, for a block of rows and channels as above.
void dms_relu_gradient(const float *g, const float *output, long stride, long row, long rows, long first, long channels,
                       float *y);

#endif
