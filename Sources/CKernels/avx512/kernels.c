#if defined(__x86_64__)
#include "../kernels.h"
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,bmi,fma,popcnt"))), apply_to = function)
#define LANES 16
#define ROWS 12
#include "../generic/kernels.h"
#pragma clang attribute pop

const dms_kernels dms_kernels_avx512 = {"avx512", ROWS, PANEL, LANES, DMS_EVERY_KERNEL(DMS_ENTRY)};
#endif
