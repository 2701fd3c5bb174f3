#ifndef CKERNELS_H
#define CKERNELS_H
/// The instruction set whose kernels run: "avx512", "avx2" or "portable".
const char *dms_instruction_set(void);
#endif
