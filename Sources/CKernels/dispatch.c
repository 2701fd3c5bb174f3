#include "CKernels.h"
#include "kernels.h"
#include <stdlib.h>
#include <string.h>

static const dms_kernels *chosen = &dms_kernels_portable;
static int unavailable = 0;

/// The best set this processor has, or the one that DMSNET_ISA names.
__attribute__((constructor)) static void choose(void) {
  const dms_kernels *available[3] = {&dms_kernels_portable};
  int count = 1;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    available[count++] = &dms_kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
      available[count++] = &dms_kernels_avx512;
  }
#endif
  chosen = available[count - 1];
  const char *wish = getenv("DMSNET_ISA");
  if (!wish || !*wish) return;
  unavailable = 1;
  for (int i = 0; i < count; i++)
    if (!strcmp(wish, available[i]->name)) {
      chosen = available[i];
      unavailable = 0;
    }
}

const dms_kernels *dms_current(void) { return chosen; }

const char *dms_instruction_set(void) { return chosen->name; }

int dms_instruction_set_unavailable(void) { return unavailable; }

long dms_rows(void) { return chosen->rows; }

long dms_panel(void) { return chosen->panel; }

long dms_pack_panels(long depth, long columns) {
  return (columns + chosen->panel - 1) / chosen->panel * ((depth + DMS_RUN - 1) / DMS_RUN);
}

long dms_packed_count(long depth, long columns) {
  return (columns + chosen->panel - 1) / chosen->panel * chosen->panel * depth;
}

long dms_multiply_scratch(long rows) { return (rows + chosen->rows - 1) / chosen->rows * chosen->rows * DMS_RUN; }

void dms_pack(const dms_matrix *right, long depth, long columns, float scale, long first, long count, float *packed) {
  chosen->pack(right, depth, columns, scale, first, count, packed);
}

void dms_multiply(const dms_matrix *left, const float *packed, long rows, long columns, long depth, int accumulate,
                  float *target, long stride, float *scratch) {
  chosen->multiply(left, packed, rows, columns, depth, accumulate, target, stride, scratch);
}

void dms_narrow_product(const float *left, const float *right, float *target, long rows, long columns, long depth) {
  chosen->narrow(left, right, target, rows, columns, depth);
}
