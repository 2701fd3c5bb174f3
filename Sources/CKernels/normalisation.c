#include "normalisation.h"

void dms_moments(const float *x, long rows, long c, float *mean, float *deviations) {
  for (long k = 0; k < c; k++) mean[k] = deviations[k] = 0;
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) mean[k] += x[r * c + k];
  const float inverse = 1.0f / rows;
  for (long k = 0; k < c; k++) mean[k] *= inverse;
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const float d = x[r * c + k] - mean[k];
      deviations[k] += d * d;
    }
}

void dms_affine(const float *x, const float *scale, const float *shift, long rows, long c, int relu, float *y) {
  const float floor = relu ? 0 : -__builtin_inff();
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const float v = scale[k] * x[r * c + k] + shift[k];
      y[r * c + k] = v > floor ? v : floor;
    }
}

void dms_gradient_sums(const float *g, const float *x, const float *scale, const float *shift, const float *mean,
                       const float *inverse, long rows, long c, int relu, float *sum, float *product) {
  for (long k = 0; k < c; k++) sum[k] = product[k] = 0;
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const float v = x[r * c + k];
      const float m = !relu || scale[k] * v + shift[k] > 0 ? g[r * c + k] : 0;
      sum[k] += m;
      product[k] += m * ((v - mean[k]) * inverse[k]);
    }
}

void dms_gradient_affine(const float *g, const float *x, const float *a, const float *b, const float *d,
                         const float *scale, const float *shift, long rows, long c, int relu, float *y) {
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const float v = x[r * c + k];
      const float m = !relu || scale[k] * v + shift[k] > 0 ? g[r * c + k] : 0;
      y[r * c + k] = a[k] * m + b[k] * v + d[k];
    }
}

void dms_residual(const float *a, const float *sa, const float *ta, const float *b, const float *sb, const float *tb,
                  long rows, long c, float *y) {
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const long i = r * c + k;
      const float p = sa ? sa[k] * a[i] + ta[k] : a[i];
      const float v = p + (sb ? sb[k] * b[i] + tb[k] : b[i]);
      y[i] = v > 0 ? v : 0;
    }
}
