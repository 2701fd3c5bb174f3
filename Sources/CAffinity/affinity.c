#define _GNU_SOURCE
#include "CAffinity.h"
#include <sched.h>

// Swift does not see sched.h's GNU part: neither its calls nor the macros that fill its sets.

int dms_affinity(int processors[DMS_PROCESSORS]) {
  cpu_set_t set[DMS_PROCESSORS / CPU_SETSIZE];
  if (sched_getaffinity(0, sizeof set, set) != 0) return -1;
  int count = 0;
  for (int i = 0; i < DMS_PROCESSORS; i++)
    if (CPU_ISSET_S(i, sizeof set, set)) processors[count++] = i;
  return count;
}

int dms_bind(const int *processors, int count) {
  cpu_set_t set[DMS_PROCESSORS / CPU_SETSIZE];
  CPU_ZERO_S(sizeof set, set);
  for (int i = 0; i < count; i++) CPU_SET_S(processors[i], sizeof set, set);
  return sched_setaffinity(0, sizeof set, set);
}
