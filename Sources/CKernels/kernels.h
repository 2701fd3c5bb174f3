/// The kernels of one instruction set, listed once. A folder an instruction set (avx512, avx2, portable) compiles
/// `generic/` with its own vector width; `dispatch.c` chooses a set when the program starts and gives each kernel its public name.
#ifndef DMS_KERNELS_H
#define DMS_KERNELS_H
#include "CKernels.h"

/// K(name, parameters, arguments) for every kernel.
#define DMS_EVERY_KERNEL(K)                                                                                              \
  K(load,                                                                                                                \
    (const dms_source *source, long row, long rows, long first, long count, long padded, float *target,                  \
     const dms_layout *layout),                                                                                          \
    (source, row, rows, first, count, padded, target, layout))                                                           \
  K(pack,                                                                                                                \
    (const dms_matrix *right, long depth, long columns, float scale, long first, long count, float *packed),             \
    (right, depth, columns, scale, first, count, packed))                                                                \
  K(transpose, (const float *source, long rows, long columns, float *target, long stride, int accumulate),               \
    (source, rows, columns, target, stride, accumulate))                                                                 \
  K(multiply,                                                                                                            \
    (const dms_left *left, const dms_right *right, long rows, long first, long count, long depth, int accumulate,        \
     float *target, long stride, const dms_prefetch *prefetch),                                                          \
    (left, right, rows, first, count, depth, accumulate, target, stride, prefetch))                                      \
  K(im2col, (const dms_geometry *g, const dms_source *map, long first, long rows, float *columns),                       \
    (g, map, first, rows, columns))                                                                                      \
  K(col2im, (const dms_geometry *g, const float *columns, long first, long rows, float *map),                            \
    (g, columns, first, rows, map))                                                                                      \
  K(load_patch,                                                                                                          \
    (const dms_geometry *g, const dms_source *map, long image, long line, long lines, long column, long columns,         \
     long padded, float *patch),                                                                                         \
    (g, map, image, line, lines, column, columns, padded, patch))                                                        \
  K(max_pool,                                                                                                            \
    (const dms_geometry *g, const float *map, long first, long lines, float *output, unsigned char *taps),               \
    (g, map, first, lines, output, taps))                                                                                \
  K(max_pool_gradient,                                                                                                   \
    (const dms_geometry *g, const float *upstream, const unsigned char *taps, long first, long lines, float *map),       \
    (g, upstream, taps, first, lines, map))                                                                              \
  K(moments,                                                                                                             \
    (const float *x, const float *reference, long rows, long stride, long channels, double *sum, double *squares),       \
    (x, reference, rows, stride, channels, sum, squares))                                                                \
  K(gradient_sums,                                                                                                       \
    (const dms_source *source, long row, long rows, long first, long channels, double *sum, double *product),            \
    (source, row, rows, first, channels, sum, product))                                                                  \
  K(residual,                                                                                                            \
    (const dms_source *a, const dms_source *b, long row, long rows, long first, long channels, float *y),                \
    (a, b, row, rows, first, channels, y))                                                                               \
  K(relu_gradient,                                                                                                       \
    (const float *g, const float *output, long stride, long row, long rows, long first, long channels, float *y),        \
    (g, output, stride, row, rows, first, channels, y))                                                                  \
  K(winograd_input,                                                                                                      \
    (const float *patch, long line, long channels, const dms_tiles *tiles, float *target, long apart,                    \
     const dms_layout *layout),                                                                                          \
    (patch, line, channels, tiles, target, apart, layout))                                                               \
  K(winograd_upstream,                                                                                                   \
    (const float *patch, long line, long channels, const dms_tiles *tiles, float *target, long apart,                    \
     const dms_layout *layout),                                                                                          \
    (patch, line, channels, tiles, target, apart, layout))                                                               \
  K(winograd_output,                                                                                                     \
    (const float *products, long apart, long step, const dms_tiles *tiles, long channels, int adds, float *target,       \
     long line, long pixel),                                                                                             \
    (products, apart, step, tiles, channels, adds, target, line, pixel))                                                 \
  K(winograd_weight,                                                                                                     \
    (const float *weight, long inputs, long outputs, int rotated, const dms_weight_part *part, float *packed,            \
     long apart),                                                                                                        \
    (weight, inputs, outputs, rotated, part, packed, apart))                                                             \
  K(winograd_weight_gradient,                                                                                            \
    (const float *products, long apart, long rows, long columns, float *gradient, long line, long tap,                   \
     int accumulate),                                                                                                    \
    (products, apart, rows, columns, gradient, line, tap, accumulate))                                                   \
  K(fused_loop, (long rounds, float *sink), (rounds, sink))

#define DMS_FIELD(name, parameters, arguments) void(*name) parameters;

typedef struct {
  const char *name;
  dms_tuning tuning;
  DMS_EVERY_KERNEL(DMS_FIELD)
} dms_kernels;

extern const dms_kernels dms_kernels_portable;
#if defined(__x86_64__)
extern const dms_kernels dms_kernels_avx2, dms_kernels_avx512;
#endif

#endif
