#include "CKernels.h"

const char *dms_instruction_set(void) { return "portable"; }
