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
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("popcnt")) {
    available[count++] = &dms_kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
      available[count++] = &dms_kernels_avx512;
  }
#endif
  chosen = available[count - 1];
  const char *wanted = getenv("DMSNET_ISA");
  if (!wanted || !*wanted) return;
  unavailable = 1;
  for (int i = 0; i < count; i++)
    if (!strcmp(wanted, available[i]->name)) {
      chosen = available[i];
      unavailable = 0;
    }
}

const char *dms_instruction_set(void) { return chosen->name; }

int dms_instruction_set_unavailable(void) { return unavailable; }

const dms_tuning *dms_tuning_in_use(void) { return &chosen->tuning; }

/// Panels of NR columns that `columns` take.
static long panels(long columns) { return (columns + chosen->tuning.nr - 1) / chosen->tuning.nr; }

long dms_pack_panels(long depth, long columns) {
  return panels(columns) * ((depth + chosen->tuning.kc - 1) / chosen->tuning.kc);
}

long dms_packed_count(long depth, long columns) { return panels(columns) * chosen->tuning.nr * depth; }

#define DMS_PUBLIC(name, parameters, arguments) \
  void dms_##name parameters { chosen->name arguments; }
DMS_EVERY_KERNEL(DMS_PUBLIC)
