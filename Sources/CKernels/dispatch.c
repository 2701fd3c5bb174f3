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
  const char *wish = getenv("DMSNET_ISA");
  if (!wish || !*wish) return;
  unavailable = 1;
  for (int i = 0; i < count; i++)
    if (!strcmp(wish, available[i]->name)) {
      chosen = available[i];
      unavailable = 0;
    }
}

const char *dms_instruction_set(void) { return chosen->name; }

int dms_instruction_set_unavailable(void) { return unavailable; }

long dms_rows(void) { return chosen->rows; }

long dms_panel(void) { return chosen->panel; }

long dms_lanes(void) { return chosen->lanes; }

long dms_pack_panels(long depth, long columns) {
  return (columns + chosen->panel - 1) / chosen->panel * ((depth + DMS_RUN - 1) / DMS_RUN);
}

long dms_packed_count(long depth, long columns) {
  return (columns + chosen->panel - 1) / chosen->panel * chosen->panel * depth;
}

#define DMS_PUBLIC(name, parameters, arguments) \
  void dms_##name parameters { chosen->name arguments; }
DMS_EVERY_KERNEL(DMS_PUBLIC)
