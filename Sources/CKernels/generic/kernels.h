// Every kernel of one instruction set. Before including: the set's own `tuning.h`.
#include "tuning.h"
#include "vector.h"

#include "source.h"

#include "convolution.h"
#include "normalisation.h"
#include "pooling.h"
#include "prefetch.h"
#include "sparse.h"
#include "product.h"
#include "winograd.h"

#define DMS_ENTRY(name, parameters, arguments) .name = name,
