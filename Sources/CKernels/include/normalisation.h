/// Batch norm over channels-last rows: moments, the affine form, and the sums its gradient needs.
#ifndef DMS_NORMALISATION_H
#define DMS_NORMALISATION_H

/// Mean and sum of squared deviations of each of `c` channels over `rows` rows.
void dms_moments(const float *x, long rows, long c, float *mean, float *deviations);

/// y = scale * x + shift per channel, then max(0, .) where `relu`.
void dms_affine(const float *x, const float *scale, const float *shift, long rows, long c, int relu, float *y);

/// Per channel, over `rows` rows: sum of m * g and of m * g * (x - mean) * deviation, with m = scale * x + shift > 0, or 1
/// where not `relu`.
void dms_gradient_sums(const float *g, const float *x, const float *scale, const float *shift, const float *mean,
                       const float *inverse, long rows, long c, int relu, float *sum, float *product);

/// y = a * m * g + b * x + d per channel, m as above.
void dms_gradient_affine(const float *g, const float *x, const float *a, const float *b, const float *d,
                         const float *scale, const float *shift, long rows, long c, int relu, float *y);

/// y = max(0, sa * a + ta + sb * b + tb); without `sb` b is added as it is, without `sa` so is a.
void dms_residual(const float *a, const float *sa, const float *ta, const float *b, const float *sb, const float *tb,
                  long rows, long c, float *y);

#endif
