// Vectors of 16 bytes, which every processor that Swift runs on has (SSE2, NEON). Not tuned: the values of AVX2 in vectors half as
// wide. `generic/tuning.h` says what each constant is.

#define LANES 4

// 6 x 2 vectors of sums, two of the right side and one of the left take 15 registers; SSE2 has 16, NEON 32.
#define MR 6
#define NR (2 * LANES)

// As for AVX2, so that results differ from its by fused multiply-adds alone.
#define KC 128
#define SHORT_SUM 8

// As for AVX2.
#define MC 128
#define DEPTH_UNROLL 4
#define SPARSE_PANELS 4
#define SPARSE_SAMPLE_ROWS 8
#define SPARSE_LEAST_SIXTEENTHS 5
#define COEFFICIENT_VECTORS 4
#define PLAIN_VECTORS 16
#define PREFETCH_ROWS 8
#define PREFETCH_OUTPUT 4
#define PREFETCH_GRADIENT 8
