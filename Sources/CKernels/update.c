#include "update.h"
#include <math.h>
#include <string.h>

void dms_sgd(float *w, const float *g, float *v, long count, float rate, float momentum, float decay, float scale) {
  for (long i = 0; i < count; i++) {
    v[i] = momentum * v[i] + (scale * g[i] + decay * w[i]);
    if (rate != 0) w[i] -= rate * v[i];
  }
}

void dms_adamw(float *w, const float *g, float *m, float *v, long count, float rate, float beta1, float beta2,
               float epsilon, float decay, float scale, float first, float second) {
  for (long i = 0; i < count; i++) {
    const float gradient = scale * g[i];
    m[i] = beta1 * m[i] + (1 - beta1) * gradient;
    v[i] = beta2 * v[i] + (1 - beta2) * (gradient * gradient);
    if (rate == 0) continue;
    w[i] -= rate * decay * w[i];
    w[i] -= rate * (m[i] / first) / (sqrtf(v[i] / second) + epsilon);
  }
}

void dms_average(float *average, const float *w, long count, float share) {
  for (long i = 0; i < count; i++) average[i] += share * (w[i] - average[i]);
}

double dms_sum_squares(const float *x, long count) {
  double sums[8] = {0};
  long i = 0;
  for (; i + 8 <= count; i += 8)
    for (int k = 0; k < 8; k++) sums[k] += (double)x[i + k] * x[i + k];
  for (; i < count; i++) sums[0] += (double)x[i] * x[i];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

void dms_add(float *x, const float *y, long count) {
  for (long i = 0; i < count; i++) x[i] += y[i];
}

void dms_to_bfloat16(unsigned short *target, const float *x, long count) {
  for (long i = 0; i < count; i++) {
    unsigned bits;
    memcpy(&bits, &x[i], 4);
    // To the nearest, ties to even; what is not a number stays one.
    const unsigned rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    target[i] = x[i] == x[i] ? rounded : bits >> 16 | 0x40;
  }
}

void dms_from_bfloat16(float *target, const unsigned short *x, long count) {
  for (long i = 0; i < count; i++) {
    const unsigned bits = (unsigned)x[i] << 16;
    memcpy(&target[i], &bits, 4);
  }
}
