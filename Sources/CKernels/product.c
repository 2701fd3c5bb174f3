#include "product.h"

#if defined(__x86_64__)
#define VERSIONS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VERSIONS
#endif

VERSIONS
void dms_narrow_product(const float *left, const float *right, float *target, long rows, long columns, long depth) {
  for (long r = 0; r < rows; r++) {
    double sums[DMS_NARROW] = {0};
    for (long k = 0; k < depth; k++) {
      const double x = left[r * depth + k];
      const float *line = right + k * columns;
      for (long c = 0; c < columns; c++) sums[c] += x * line[c];
    }
    for (long c = 0; c < columns; c++) target[r * columns + c] = (float)sums[c];
  }
}
