#include "../kernels.h"
#include "tuning.h"
#include "../generic/kernels.h"

const dms_kernels dms_kernels_portable = {"portable", {LANES, MR, NR, KC, MC}, DMS_EVERY_KERNEL(DMS_ENTRY)};
