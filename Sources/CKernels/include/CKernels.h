/// The inner loops of dmsnet: one chunk's work over contiguous memory. Nothing here allocates, starts a thread or does
/// input or output.
#ifndef CKERNELS_H
#define CKERNELS_H

#include "convolution.h"
#include "normalisation.h"
#include "pooling.h"
#include "product.h"
#include "source.h"
#include "tuning.h"
#include "update.h"
#include "winograd.h"

/// The instruction set whose kernels run: "avx512", "avx2" or "portable".
const char *dms_instruction_set(void);

/// Whether the environment variable DMSNET_ISA names a set that this processor lacks.
int dms_instruction_set_unavailable(void);

#endif
