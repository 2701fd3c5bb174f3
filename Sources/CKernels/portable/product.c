#include "../kernels.h"
#define LANES 4
#define ROWS 6
#define NAME(x) portable_##x
#include "../generic/product.h"

const dms_kernels dms_kernels_portable = {"portable", ROWS, PANEL, NAME(pack), NAME(multiply), NAME(narrow)};
