/// The tuned constants of the instruction set whose kernels run, as far as callers need them to lay out memory.
/// `generic/tuning.h` says what each is, `<instruction set>/tuning.h` where its value comes from.
#ifndef DMS_TUNING_H
#define DMS_TUNING_H

typedef struct {
  /// Floats of a vector.
  long lanes;
  /// Rows and columns of the micro-kernel's tile.
  long mr, nr;
  /// Steps of depth between two visits to the target.
  long kc;
  /// Rows of a left side that are multiplied at once.
  long mc;
} dms_tuning;

/// The constants of the chosen instruction set.
const dms_tuning *dms_tuning_in_use(void);

#endif
