#include "convolution.h"
#include <string.h>

void dms_gather_taps(const dms_geometry *g, const float *map, long first, long rows, float *columns) {
  const long c = g->channels, positions = g->out_height * g->out_width;
  for (long r = first; r < first + rows; r++) {
    const long image = r / positions, y = r % positions / g->out_width, x = r % g->out_width;
    const float *source = map + image * g->height * g->width * c;
    for (long i = 0; i < g->kernel_height; i++) {
      const long row = y * g->stride - g->padding + i;
      for (long j = 0; j < g->kernel_width; j++, columns += c) {
        const long column = x * g->stride - g->padding + j;
        if (row < 0 || row >= g->height || column < 0 || column >= g->width)
          memset(columns, 0, c * sizeof(float));
        else
          memcpy(columns, source + (row * g->width + column) * c, c * sizeof(float));
      }
    }
  }
}

void dms_scatter_taps(const dms_geometry *g, const float *columns, long first, long rows, float *map) {
  const long c = g->channels, positions = g->out_height * g->out_width;
  for (long r = first; r < first + rows; r++) {
    const long image = r / positions, y = r % positions / g->out_width, x = r % g->out_width;
    float *target = map + image * g->height * g->width * c;
    for (long i = 0; i < g->kernel_height; i++) {
      const long row = y * g->stride - g->padding + i;
      for (long j = 0; j < g->kernel_width; j++, columns += c) {
        const long column = x * g->stride - g->padding + j;
        if (row < 0 || row >= g->height || column < 0 || column >= g->width) continue;
        float *tap = target + (row * g->width + column) * c;
        for (long k = 0; k < c; k++) tap[k] += columns[k];
      }
    }
  }
}
