// Vectors of one instruction set, LANES floats each.

typedef float vector __attribute__((ext_vector_type(LANES), aligned(4)));

/// As many doubles as a vector has floats.
typedef double wide __attribute__((ext_vector_type(LANES)));

/// a * b + c, rounded once where the set has such an instruction.
#if defined(__x86_64__) && LANES == 4
#define FMA(a, b, c) ((a) * (b) + (c))
#else
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE vector load_vector(const float *p) { return *(const vector *)p; }
INLINE void store_vector(float *p, vector v) { *(vector *)p = v; }

/// The first `count` lanes from memory, zero in the others.
INLINE vector load_some(const float *p, long count) {
  vector v = (vector)(0);
  __builtin_memcpy(&v, p, count * sizeof(float));
  return v;
}

/// A whole vector where there is one, else its first `count` lanes.
INLINE vector load_up_to(const float *p, long count) { return count == LANES ? load_vector(p) : load_some(p, count); }

/// Stores the first `count` lanes, or adds them.
INLINE void store_some(float *p, vector v, long count, int adds) {
  if (adds) v += count == LANES ? load_vector(p) : load_some(p, count);
  if (count == LANES)
    store_vector(p, v);
  else
    __builtin_memcpy(p, &v, count * sizeof(float));
}

#if LANES == 16
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#endif

/// Rows become columns: shuffling the halves into each other, as often as it takes to double one to LANES, transposes.
INLINE void transpose_block(vector v[LANES]) {
#pragma clang loop unroll(full)
  for (int step = 1; step < LANES; step *= 2) {
    vector next[LANES];
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES / 2; i++) {
      next[2 * i] = __builtin_shufflevector(v[i], v[i + LANES / 2], LOW);
      next[2 * i + 1] = __builtin_shufflevector(v[i], v[i + LANES / 2], HIGH);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; i++) v[i] = next[i];
  }
}
