// Every kernel of one instruction set. Before including: LANES, ROWS.
#include "vector.h"

#include "source.h"

#include "convolution.h"
#include "normalisation.h"
#include "pooling.h"
#include "prefetch.h"
#include "nonzero.h"
#include "product.h"
#include "winograd.h"

#define DMS_ENTRY(name, parameters, arguments) .name = name,
