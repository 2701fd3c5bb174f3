/// Updates of weights, element by element. No multiply-add is fused, so every processor computes the same bits.
#ifndef DMS_UPDATE_H
#define DMS_UPDATE_H

/// v = momentum * v + (scale * g + decay * w); w -= rate * v. A rate of 0 leaves every bit of w.
void dms_sgd(float *w, const float *g, float *v, long count, float rate, float momentum, float decay, float scale);

/// AdamW (Loshchilov and Hutter 2019): m and v follow scale * g and its square; w -= rate * decay * w, then
/// w -= rate * (m / first) / (sqrt(v / second) + epsilon). A rate of 0 leaves every bit of w.
void dms_adamw(float *w, const float *g, float *m, float *v, long count, float rate, float beta1, float beta2,
               float epsilon, float decay, float scale, float first, float second);

/// average += share * (w - average).
void dms_average(float *average, const float *w, long count, float share);

/// The sum of squares, in double precision and always in the same order.
double dms_sum_squares(const float *x, long count);

/// x += y.
void dms_add(float *x, const float *y, long count);

/// target = x rounded to bfloat16, the upper half of a float32.
void dms_to_bfloat16(unsigned short *target, const float *x, long count);
/// target = x, which is bfloat16.
void dms_from_bfloat16(float *target, const unsigned short *x, long count);

#endif
