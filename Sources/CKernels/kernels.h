/// The kernels of one instruction set. A folder an instruction set (avx512, avx2, portable) compiles `generic/product.h` with
/// its own vector width and fills one of these; `dispatch.c` picks one when the program starts.
#ifndef DMS_KERNELS_H
#define DMS_KERNELS_H
#include "product.h"

typedef struct {
  const char *name;
  /// Rows and columns of the micro-kernel's tile.
  long rows, panel;
  void (*pack)(const dms_matrix *right, long depth, long columns, float scale, long first, long count, float *packed);
  void (*multiply)(const dms_matrix *left, const float *packed, long rows, long columns, long depth, int accumulate,
                   float *target, long stride, float *scratch);
  void (*narrow)(const float *left, const float *right, float *target, long rows, long columns, long depth);
} dms_kernels;

extern const dms_kernels dms_kernels_portable;
#if defined(__x86_64__)
extern const dms_kernels dms_kernels_avx2, dms_kernels_avx512;
#endif

/// The kernels in use.
const dms_kernels *dms_current(void);

#endif
