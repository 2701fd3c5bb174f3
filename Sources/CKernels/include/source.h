/// Rows of channels-last values, some still to be computed: loading applies what is pending (prologue fusion), so that batch norm,
/// ReLU and their gradient need no pass over memory of their own.
#ifndef DMS_SOURCE_H
#define DMS_SOURCE_H

/// A batch norm's coefficients, one row of `c` floats each.
typedef struct {
  const float *scale, *bias, *mean, *inverse;
} dms_norm;

/// What element (r, c) of a source is: with `n(v) = scale * (v - mean) + bias` of its channel,
///  - `x` where `norm.scale` is NULL;
///  - `n(x)`, or `max(0, n(x))` where `relu`, where `upstream` is NULL;
///  - else the gradient of a batch norm's input, `scale * m * upstream + slope * (x - mean) + offset`, where m is 0 if `relu` and
///    n(x) is not positive, and 1 otherwise.
typedef struct {
  const float *x;
  /// Floats from row to row, of `x` and `upstream`.
  long stride;
  dms_norm norm;
  int relu;
  const float *upstream, *slope, *offset;
} dms_source;

/// Where loaded elements go: (r, c) to `target[c / width * plane + r * step + c % width]`. `width` is a multiple of the
/// vector's.
typedef struct {
  long width, plane, step;
} dms_layout;

/// Loads channels `first ..< first + count` of rows `row ..< row + rows`; channels up to `padded`, counted from `first`, become
/// zero; `padded` is `count` or a multiple of the vector's width. Place (0, 0) of the target takes channel `first` of row `row`.
void dms_load(const dms_source *source, long row, long rows, long first, long count, long padded, float *target,
              const dms_layout *layout);

#endif
