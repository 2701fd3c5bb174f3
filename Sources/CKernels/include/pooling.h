/// Maximum pooling over channels-last maps.
#ifndef DMS_POOLING_H
#define DMS_POOLING_H
#include "convolution.h"

/// Output lines `first ..< first + lines` (counted over all images): the maximum of each window and the tap that attains it
/// first.
void dms_max_pool(const dms_geometry *g, const float *map, long first, long lines, float *output, unsigned char *taps);

/// Input lines `first ..< first + lines` of the map's gradient: an element's is the sum over the windows whose maximum it is.
void dms_max_pool_gradient(const dms_geometry *g, const float *upstream, const unsigned char *taps, long first,
                           long lines, float *map);

#endif
