// AVX2 with fused multiply-adds, tuned on AMD's Zen 3. `generic/tuning.h` says what each constant is.

#define LANES 8

// 6 x 2 vectors of sums, two of the right side and one of the left take 15 of the 16 registers: BLIS's tile for Haswell and Zen.
#define MR 6
#define NR (2 * LANES)

// As for AVX-512, whose bits these are; a packed block of KC x NR is 8 KiB.
#define KC 128

// As for AVX-512: chosen for Zen 3's second cache of 512 KiB.
#define MC 128

// As for AVX-512.
#define DEPTH_UNROLL 4

// Eight chains of sums hide an addition's latency of four cycles at two a cycle.
#define SPARSE_PANELS 4

// As for AVX-512: both kernels' speeds halve together.
#define SPARSE_SAMPLE_ROWS 8
#define SPARSE_LEAST_SIXTEENTHS 5

// As for AVX-512. Where 16 registers do not hold four vectors' coefficients they are read from the first cache.
#define COEFFICIENT_VECTORS 4
#define PLAIN_VECTORS 16

// As for AVX-512: the time until a row is read depends on memory, not on the vector's width.
#define PREFETCH_ROWS 8
#define PREFETCH_OUTPUT 4
#define PREFETCH_GRADIENT 8

// As for AVX-512, whose bits these are.
#define SHORT_SUM 8
