// Maximum pooling, one instruction set.

typedef int integers __attribute__((ext_vector_type(LANES)));
typedef unsigned char bytes __attribute__((ext_vector_type(LANES)));

/// The maximum of `channels` channels over taps `top ..< bottom` and `left ..< right`, and which tap it is; `window` is where tap
/// (0, 0) lies, perhaps outside the map. NaN beats everything, as in PyTorch.
INLINE void window_maximum(const dms_geometry *g, const float *window, long top, long bottom, long left, long right,
                           float *best, unsigned char *taps) {
  for (long c = 0; c < g->channels; c += LANES) {
    const long count = g->channels - c < LANES ? g->channels - c : LANES;
    vector most = (vector)(-__builtin_inff());
    integers winner = (integers)(int)(top * g->kernel_width + left);
    for (long i = top; i < bottom; i++)
      for (long j = left; j < right; j++) {
        const vector tap = load_up_to(window + (i * g->width + j) * g->channels + c, count);
        const integers wins = tap > most | tap != tap;
        most = wins ? tap : most;
        winner = wins ? (integers)(int)(i * g->kernel_width + j) : winner;
      }
    store_some(best + c, most, count, 0);
    const bytes numbers = __builtin_convertvector(winner, bytes);
    __builtin_memcpy(taps + c, &numbers, count);
  }
}

static void max_pool(const dms_geometry *g, const float *map, long first, long lines, float *output,
                     unsigned char *taps) {
  const long c = g->channels;
  for (long line = first; line < first + lines; line++) {
    const float *image = map + line / g->out_height * g->height * g->width * c;
    const long y = line % g->out_height * g->stride - g->padding;
    const long top = y < 0 ? -y : 0, bottom = g->height - y < g->kernel_height ? g->height - y : g->kernel_height;
    for (long column = 0; column < g->out_width; column++) {
      const long x = column * g->stride - g->padding, at = (line * g->out_width + column) * c;
      const long left = x < 0 ? -x : 0, right = g->width - x < g->kernel_width ? g->width - x : g->kernel_width;
      window_maximum(g, image + (y * g->width + x) * c, top, bottom, left, right, output + at, taps + at);
    }
  }
}

static void max_pool_gradient(const dms_geometry *g, const float *upstream, const unsigned char *taps, long first,
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
          for (long k = 0; k < c; k++) target[k] += taps[at + k] == number ? upstream[at + k] : 0;
        }
      }
    }
  }
}
