#include "normalisation.h"

/// Rows added in float32 before double precision takes over.
enum { RUN = 16 };

static inline float normal(float x, float scale, float bias, float mean) {
  return __builtin_fmaf(x - mean, scale, bias);
}

void dms_moments(const float *x, const float *reference, long rows, long c, long first, long count, double *sum,
                 double *squares) {
  for (long k = 0; k < count; k++) sum[k] = squares[k] = 0;
  for (long start = 0; start < rows; start += RUN) {
    float a[DMS_CHANNELS], b[DMS_CHANNELS];
    const long end = start + RUN < rows ? start + RUN : rows;
    for (long k = 0; k < count; k++) a[k] = b[k] = 0;
    for (long r = start; r < end; r++)
      for (long k = 0; k < count; k++) {
        const float d = x[r * c + first + k] - reference[first + k];
        a[k] += d;
        b[k] += d * d;
      }
    for (long k = 0; k < count; k++) sum[k] += a[k], squares[k] += b[k];
  }
}

void dms_normalise(const float *x, const dms_norm *n, long rows, long c, int relu, float *y) {
  const float floor = relu ? 0 : -__builtin_inff();
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const float v = normal(x[r * c + k], n->scale[k], n->bias[k], n->mean[k]);
      y[r * c + k] = v > floor ? v : floor;
    }
}

void dms_gradient_sums(const float *g, const float *x, const dms_norm *n, long rows, long c, long first, long count,
                       int relu, double *sum, double *product) {
  const float *scale = n->scale + first, *bias = n->bias + first, *mean = n->mean + first, *inverse = n->inverse + first;
  for (long k = 0; k < count; k++) sum[k] = product[k] = 0;
  for (long start = 0; start < rows; start += RUN) {
    float a[DMS_CHANNELS], b[DMS_CHANNELS];
    const long end = start + RUN < rows ? start + RUN : rows;
    for (long k = 0; k < count; k++) a[k] = b[k] = 0;
    for (long r = start; r < end; r++)
      for (long k = 0; k < count; k++) {
        const float v = x[r * c + first + k];
        const float m = !relu || normal(v, scale[k], bias[k], mean[k]) > 0 ? g[r * c + first + k] : 0;
        a[k] += m;
        b[k] += m * (v - mean[k]);
      }
    for (long k = 0; k < count; k++) sum[k] += a[k], product[k] += (double)b[k] * inverse[k];
  }
}

void dms_normalise_gradient(const float *g, const float *x, const dms_norm *n, const float *b, const float *d,
                            long rows, long c, int relu, float *y) {
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const float v = x[r * c + k];
      const float m = !relu || normal(v, n->scale[k], n->bias[k], n->mean[k]) > 0 ? g[r * c + k] : 0;
      y[r * c + k] = __builtin_fmaf(n->scale[k], m, __builtin_fmaf(b[k], v - n->mean[k], d[k]));
    }
}

void dms_residual(const float *a, const dms_norm *na, const float *b, const dms_norm *nb, long rows, long c, float *y) {
  for (long r = 0; r < rows; r++)
    for (long k = 0; k < c; k++) {
      const long i = r * c + k;
      const float p = na ? normal(a[i], na->scale[k], na->bias[k], na->mean[k]) : a[i];
      const float v = p + (nb ? normal(b[i], nb->scale[k], nb->bias[k], nb->mean[k]) : b[i]);
      y[i] = v > 0 ? v : 0;
    }
}
