// Loading of sources, one instruction set. A block of vectors keeps its channels' coefficients in registers over all rows.

enum kind { PLAIN, NORM, GRADIENT };

/// Coefficients of one vector of channels.
typedef struct {
  vector scale, bias, mean, slope, offset;
} coefficients;

INLINE coefficients coefficients_of(enum kind kind, const dms_source *s, long c, long count) {
  coefficients k = {0};
  if (kind == PLAIN) return k;
  k.scale = load_up_to(s->norm.scale + c, count);
  k.bias = load_up_to(s->norm.bias + c, count);
  k.mean = load_up_to(s->norm.mean + c, count);
  if (kind == NORM) return k;
  k.slope = load_up_to(s->slope + c, count);
  k.offset = load_up_to(s->offset + c, count);
  return k;
}

INLINE vector normalise(vector x, vector scale, vector bias, vector mean) { return FMA(x - mean, scale, bias); }

/// max(v, floor), or NaN where v is.
INLINE vector above(vector v, vector floor) { return v < floor ? floor : v; }

INLINE vector value(enum kind kind, vector x, vector g, const coefficients *k, vector floor) {
  if (kind == PLAIN) return x;
  const vector n = normalise(x, k->scale, k->bias, k->mean);
  if (kind == NORM) return above(n, floor);
  const vector m = n > floor ? g : (vector)(0);
  return FMA(k->scale, m, FMA(k->slope, x - k->mean, k->offset));
}

/// `vectors` whole vectors of every row from channel `c`.
INLINE void load_block(enum kind kind, int vectors, const dms_source *s, long row, long rows, long c, float *target,
                       long step) {
  coefficients k[PLAIN_VECTORS];
  const vector floor = (vector)(s->relu ? 0 : -__builtin_inff());
  for (int v = 0; v < vectors; v++) k[v] = coefficients_of(kind, s, c + v * LANES, LANES);
  for (long r = 0; r < rows; r++) {
    const long at = (row + r) * s->stride + c;
    // The hardware does not prefetch a few vectors of every row by itself.
    for (int v = 0; v < vectors; v += CACHE_LINE / LANES) {
      __builtin_prefetch(s->x + at + PREFETCH_ROWS * s->stride + v * LANES);
      if (kind == GRADIENT) __builtin_prefetch(s->upstream + at + PREFETCH_ROWS * s->stride + v * LANES);
    }
    for (int v = 0; v < vectors; v++) {
      const vector g = kind == GRADIENT ? load_vector(s->upstream + at + v * LANES) : (vector)(0);
      store_vector(target + r * step + v * LANES, value(kind, load_vector(s->x + at + v * LANES), g, k + v, floor));
    }
  }
}

/// The first `count` channels of a vector, zeros after them; `room` floats are written.
INLINE void load_part(enum kind kind, const dms_source *s, long row, long rows, long c, long count, long room,
                      float *target, long step) {
  const coefficients k = coefficients_of(kind, s, c, count);
  const vector floor = (vector)(s->relu ? 0 : -__builtin_inff());
  for (long r = 0; r < rows; r++) {
    const long at = (row + r) * s->stride + c;
    const vector g = kind == GRADIENT ? load_some(s->upstream + at, count) : (vector)(0);
    vector v = value(kind, load_some(s->x + at, count), g, &k, floor);
    for (long i = count; i < LANES; i++) v[i] = 0;
    __builtin_memcpy(target + r * step, &v, room * sizeof(float));
  }
}

INLINE void load_kind(enum kind kind, const dms_source *s, long row, long rows, long first, long count, long padded,
                      float *target, const dms_layout *layout) {
  for (long c = 0; c < padded;) {
    float *place = target + c / layout->width * layout->plane + c % layout->width;
    const long whole = (count - c) / LANES, room = (layout->width - c % layout->width) / LANES;
    const long vectors = whole < room ? whole : room;
    if (kind == PLAIN && vectors >= PLAIN_VECTORS) {
      load_block(kind, PLAIN_VECTORS, s, row, rows, first + c, place, layout->step);
      c += PLAIN_VECTORS * LANES;
    } else if (vectors >= COEFFICIENT_VECTORS) {
      load_block(kind, COEFFICIENT_VECTORS, s, row, rows, first + c, place, layout->step);
      c += COEFFICIENT_VECTORS * LANES;
    } else if (vectors >= 2) {
      load_block(kind, 2, s, row, rows, first + c, place, layout->step);
      c += 2 * LANES;
    } else if (vectors >= 1) {
      load_block(kind, 1, s, row, rows, first + c, place, layout->step);
      c += LANES;
    } else if (c < count) {
      load_part(kind, s, row, rows, first + c, count - c, padded - c < LANES ? padded - c : LANES, place, layout->step);
      c += LANES;
    } else {
      for (long r = 0; r < rows; r++) store_vector(place + r * layout->step, (vector)(0));
      c += LANES;
    }
  }
}

static void load(const dms_source *s, long row, long rows, long first, long count, long padded, float *target,
                 const dms_layout *layout) {
  if (!s->norm.scale)
    load_kind(PLAIN, s, row, rows, first, count, padded, target, layout);
  else if (!s->upstream)
    load_kind(NORM, s, row, rows, first, count, padded, target, layout);
  else
    load_kind(GRADIENT, s, row, rows, first, count, padded, target, layout);
}
