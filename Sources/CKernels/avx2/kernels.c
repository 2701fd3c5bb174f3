#if defined(__x86_64__)
#include "../kernels.h"
#pragma clang attribute push(__attribute__((target("avx2,bmi,fma,popcnt"))), apply_to = function)
#include "tuning.h"
#include "../generic/kernels.h"
#pragma clang attribute pop

const dms_kernels dms_kernels_avx2 = {"avx2", {LANES, MR, NR, KC, MC}, DMS_EVERY_KERNEL(DMS_ENTRY)};
#endif
