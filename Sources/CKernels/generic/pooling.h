// Maximum pooling, one instruction set.

static void max_pool(const dms_geometry *g, const float *map, long first, long lines, float *output,
                     unsigned char *taps) {
  const long c = g->channels;
  for (long line = first; line < first + lines; line++) {
    const float *image = map + line / g->out_height * g->height * g->width * c;
    const long top = line % g->out_height * g->stride - g->padding;
    for (long x = 0; x < g->out_width; x++) {
      float *restrict best = output + (line * g->out_width + x) * c;
      unsigned char *restrict tap = taps + (line * g->out_width + x) * c;
      int begun = 0;
      for (long i = 0; i < g->kernel_height; i++) {
        const long row = top + i;
        if (row < 0 || row >= g->height) continue;
        for (long j = 0; j < g->kernel_width; j++) {
          const long column = x * g->stride - g->padding + j;
          if (column < 0 || column >= g->width) continue;
          const float *restrict source = image + (row * g->width + column) * c;
          const unsigned char number = i * g->kernel_width + j;
          if (!begun) {
            for (long k = 0; k < c; k++) best[k] = source[k], tap[k] = number;
            begun = 1;
          } else {
            for (long k = 0; k < c; k++) {
              const int wins = source[k] > best[k];
              best[k] = wins ? source[k] : best[k];
              tap[k] = wins ? number : tap[k];
            }
          }
        }
      }
    }
  }
}

static void max_pool_gradient(const dms_geometry *g, const float *arriving, const unsigned char *taps, long first,
                              long lines, float *map) {
  const long c = g->channels;
  for (long line = first; line < first + lines; line++) {
    const long image = line / g->height, row = line % g->height;
    for (long column = 0; column < g->width; column++) {
      float *restrict target = map + (line * g->width + column) * c;
      for (long k = 0; k < c; k++) target[k] = 0;
      for (long i = 0; i < g->kernel_height; i++) {
        const long down = row + g->padding - i;
        if (down < 0 || down % g->stride || down / g->stride >= g->out_height) continue;
        for (long j = 0; j < g->kernel_width; j++) {
          const long right = column + g->padding - j;
          if (right < 0 || right % g->stride || right / g->stride >= g->out_width) continue;
          const long at = ((image * g->out_height + down / g->stride) * g->out_width + right / g->stride) * c;
          const unsigned char number = i * g->kernel_width + j;
          for (long k = 0; k < c; k++) target[k] += taps[at + k] == number ? arriving[at + k] : 0;
        }
      }
    }
  }
}
