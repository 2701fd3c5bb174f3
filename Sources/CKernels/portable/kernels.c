#include "../kernels.h"
#define LANES 4
#define ROWS 6
#include "../generic/kernels.h"

const dms_kernels dms_kernels_portable = {"portable", ROWS, PANEL, LANES, DMS_EVERY_KERNEL(DMS_ENTRY)};
