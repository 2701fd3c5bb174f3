// The matrix form of convolutions, one instruction set.

static void im2col(const dms_geometry *g, const dms_source *map, long first, long rows, float *columns) {
  const long c = g->channels, positions = g->out_height * g->out_width;
  const dms_layout layout = {c + LANES, 0, c};
  for (long r = first; r < first + rows; r++) {
    const long image = r / positions, y = r % positions / g->out_width, x = r % g->out_width;
    const long pixel = image * g->height * g->width;
    for (long i = 0; i < g->kernel_height; i++) {
      const long row = y * g->stride - g->padding + i, left = x * g->stride - g->padding;
      if (!map->norm.scale && row >= 0 && row < g->height && left >= 0 && left + g->kernel_width <= g->width) {
        // The taps of a line lie side by side.
        const float *taps = map->x + (pixel + row * g->width + left) * c;
        for (long k = 0; k < g->kernel_width * c; k++) columns[k] = taps[k];
        columns += g->kernel_width * c;
        continue;
      }
      for (long j = 0; j < g->kernel_width; j++, columns += c) {
        const long column = left + j;
        if (row < 0 || row >= g->height || column < 0 || column >= g->width)
          __builtin_memset(columns, 0, c * sizeof(float));
        else if (map->norm.scale)
          load(map, pixel + row * g->width + column, 1, 0, c, c, columns, &layout);
        else
          __builtin_memcpy(columns, map->x + (pixel + row * g->width + column) * c, c * sizeof(float));
      }
    }
  }
}

static void col2im(const dms_geometry *g, const float *columns, long first, long rows, float *map) {
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

static void load_patch(const dms_geometry *g, const dms_source *map, long image, long line, long lines, long column,
                       long columns, long padded, float *patch) {
  const dms_layout layout = {padded + LANES, 0, padded};
  const long first = column < 0 ? 0 : column;
  const long end = column + columns > g->width ? g->width : column + columns;
  for (long i = 0; i < lines; i++, patch += columns * padded) {
    const long y = line + i;
    const int outside = y < 0 || y >= g->height;
    const long left = outside ? columns : first - column, right = outside ? 0 : column + columns - end;
    __builtin_memset(patch, 0, left * padded * sizeof(float));
    if (outside) continue;
    load(map, (image * g->height + y) * g->width + first, end - first, 0, g->channels, padded, patch + left * padded,
         &layout);
    __builtin_memset(patch + (columns - right) * padded, 0, right * padded * sizeof(float));
  }
}
