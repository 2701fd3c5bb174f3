// AVX-512, tuned on AMD's Zen 4 and Zen 5. `generic/tuning.h` says what each constant is.

#define LANES 16

// 12 x 2 vectors of sums, two of the right side and one of the left take 27 of the 32 registers: BLIS's tile for Skylake-X.
#define MR 12
#define NR (2 * LANES)

// Long enough that adding to the target costs little (a step takes 2 to 4% less than with 64), and a packed block of KC x NR,
// 16 KiB, leaves half of a first cache of 32 KiB to the left side. Short sums also round less.
#define KC 128

// 128 rows of 2 * KC steps of depth are 128 KiB: of a second cache of 512 KiB (Zen 3) the target and the right side keep the larger
// part. Narrow outputs ran 2 to 7% faster than with twice as many rows.
#define MC 128

// A loop of one step spends a fifth of its instructions on itself, which costs 5 to 8% where another thread shares the core.
#define DEPTH_UNROLL 4

// Eight chains of sums hide an addition's latency of four cycles at two a cycle; 64 steps of four panels are 32 KiB.
#define SPARSE_PANELS 4

// Skipping breaks even at three tenths of zeros (1.07 times the speed at a third, 1.4 times at half). Eight rows are a sixteenth of
// MC: counting costs next to nothing, and zeros of one map are spread alike over its rows.
#define SPARSE_SAMPLE_ROWS 8
#define SPARSE_LEAST_SIXTEENTHS 5

// Five coefficients of four vectors take 20 of the 32 registers. Without coefficients 16 vectors are 1 KiB of a row, which the
// hardware's own prefetching recognises.
#define COEFFICIENT_VECTORS 4
#define PLAIN_VECTORS 16

// A few vectors of a row are too short for the hardware's own prefetching. The distance was not compared with others.
#define PREFETCH_ROWS 8

// One and two rows of 64 channels further on: 36 streams are more than the hardware follows. Not compared with other distances.
#define PREFETCH_OUTPUT 4
#define PREFETCH_GRADIENT 8

// Eight additions in float32 lose less than the rounding of their terms; the conversion to double precision is spread over them.
#define SHORT_SUM 8
