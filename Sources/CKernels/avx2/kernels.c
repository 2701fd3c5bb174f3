#if defined(__x86_64__)
#include "../kernels.h"
#pragma clang attribute push(__attribute__((target("avx2,bmi,fma,popcnt"))), apply_to = function)
#define LANES 8
#define ROWS 6
#include "../generic/kernels.h"
#pragma clang attribute pop

const dms_kernels dms_kernels_avx2 = {"avx2", ROWS, PANEL, LANES, DMS_EVERY_KERNEL(DMS_ENTRY)};
#endif
