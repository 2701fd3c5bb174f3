#include "CMPI.h"
#include <mpi.h>
#include <stddef.h>

/// MPI counts are ints; longer arrays go in pieces of this many elements.
enum { PIECE = 1 << 28 };

int dms_mpi_start(void) {
  int provided;
  int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  return code ? code : MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

int dms_mpi_stop(void) { return MPI_Finalize(); }

int dms_mpi_place(int *rank, int *size) {
  int code = MPI_Comm_rank(MPI_COMM_WORLD, rank);
  return code ? code : MPI_Comm_size(MPI_COMM_WORLD, size);
}

int dms_mpi_host(char *name) {
  int length;
  return MPI_Get_processor_name(name, &length);
}

int dms_mpi_library(char *text) {
  int length;
  return MPI_Get_library_version(text, &length);
}

void dms_mpi_error(int code, char *text) {
  int length;
  if (MPI_Error_string(code, text, &length)) text[0] = 0;
}

int dms_mpi_barrier(void) { return MPI_Barrier(MPI_COMM_WORLD); }

int dms_mpi_broadcast(void *bytes, long count, int root) {
  int code = 0;
  for (long i = 0; i < count && !code; i += PIECE)
    code = MPI_Bcast((char *)bytes + i, count - i < PIECE ? count - i : PIECE, MPI_BYTE, root, MPI_COMM_WORLD);
  return code;
}

int dms_mpi_sum_floats(float *values, long count) {
  int code = 0;
  for (long i = 0; i < count && !code; i += PIECE)
    code = MPI_Allreduce(MPI_IN_PLACE, values + i, count - i < PIECE ? count - i : PIECE, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  return code;
}

int dms_mpi_sum_doubles(double *values, long count) {
  int code = 0;
  for (long i = 0; i < count && !code; i += PIECE)
    code = MPI_Allreduce(MPI_IN_PLACE, values + i, count - i < PIECE ? count - i : PIECE, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return code;
}

int dms_mpi_maximum(long long *values, int count) {
  return MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_LONG_LONG, MPI_MAX, MPI_COMM_WORLD);
}

int dms_mpi_all_gather(const void *bytes, int count, void *all) {
  return MPI_Allgather(bytes, count, MPI_BYTE, all, count, MPI_BYTE, MPI_COMM_WORLD);
}

int dms_mpi_all_gather_parts(const void *bytes, int count, void *all, const int *counts, const int *offsets) {
  return MPI_Allgatherv(bytes, count, MPI_BYTE, all, counts, offsets, MPI_BYTE, MPI_COMM_WORLD);
}

void dms_mpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }
