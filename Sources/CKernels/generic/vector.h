// Vectors of one instruction set. Before including: LANES (floats of a vector).

typedef float vector __attribute__((ext_vector_type(LANES), aligned(4)));

/// a * b + c, rounded once where the set has such an instruction.
#if defined(__x86_64__) && LANES == 4
#define FMA(a, b, c) ((a) * (b) + (c))
#else
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE vector load_vector(const float *p) { return *(const vector *)p; }
INLINE void store_vector(float *p, vector v) { *(vector *)p = v; }

/// The first `count` lanes from memory, zero in the rest.
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
