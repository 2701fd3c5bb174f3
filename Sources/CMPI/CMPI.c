#include "CMPI.h"
#include <mpi.h>
#include <stddef.h>

int dms_mpi_start(void) {
  int provided;
  return MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
}
