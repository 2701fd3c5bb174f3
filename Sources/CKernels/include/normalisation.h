/// Batch norm over channels-last rows: moments, the affine form, and the sums its gradient needs.
#ifndef DMS_NORMALISATION_H
#define DMS_NORMALISATION_H

/// The most channels of one call below.
enum { DMS_CHANNELS = 64 };

/// A batch norm's coefficients, one row of `c` floats each.
typedef struct {
  const float *scale, *bias, *mean, *inverse;
} dms_norm;

/// Sum of x - reference and of its square for channels `first ..< first + count` of `c`, over `rows` rows. Short runs are added in
/// float32, their sums in double precision, as PyTorch's are.
void dms_moments(const float *x, const float *reference, long rows, long c, long first, long count, double *sum,
                 double *squares);

/// y = scale * (x - mean) + bias per channel, then max(0, .) where `relu`.
void dms_normalise(const float *x, const dms_norm *n, long rows, long c, int relu, float *y);

/// Per channel, over `rows` rows: sum of m * g and of m * g * (x - mean) * inverse, with m = 1 where the normalised x is
/// positive or not `relu`, else 0. Precision and channels as in `dms_moments`.
void dms_gradient_sums(const float *g, const float *x, const dms_norm *n, long rows, long c, long first, long count,
                       int relu, double *sum, double *product);

/// y = scale * m * g + b * (x - mean) + d per channel, m as above.
void dms_normalise_gradient(const float *g, const float *x, const dms_norm *n, const float *b, const float *d,
                            long rows, long c, int relu, float *y);

/// y = max(0, a + b); each side is first normalised where it has coefficients.
void dms_residual(const float *a, const dms_norm *na, const float *b, const dms_norm *nb, long rows, long c, float *y);

#endif
