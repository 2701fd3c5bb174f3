#include "CMPI.h"
#include <mpi.h>
#include <stddef.h>
#include <time.h>

/// MPI counts are ints; longer arrays go in pieces of this many elements.
enum { PIECE = 1 << 28 };

/// The longest and the shortest pause between two looks at unfinished transfers, in nanoseconds.
enum { LONGEST_PAUSE = 200000, SHORTEST_PAUSE = 5000 };

/// Where transfers travel, apart from the collectives.
static MPI_Comm transfers;

int dms_mpi_start(void) {
  int provided;
  int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  if (!code) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (!code && provided < MPI_THREAD_SERIALIZED) code = MPI_ERR_UNSUPPORTED_OPERATION;
  return code ? code : MPI_Comm_dup(MPI_COMM_WORLD, &transfers);
}

int dms_mpi_stop(void) {
  int code = MPI_Comm_free(&transfers);
  return code ? code : MPI_Finalize();
}

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

int dms_mpi_exchange(const dms_transfer *all, int count) {
  int pieces = 0;
  for (int i = 0; i < count; i++) pieces += (all[i].count + PIECE - 1) / PIECE;
  MPI_Request requests[pieces + 1];
  int finished[pieces + 1];
  int started = 0, code = 0;
  // Receives first: what arrives finds its place.
  for (int sends = 0; sends < 2; sends++)
    for (int i = 0; i < count; i++)
      for (long at = 0; all[i].sends == sends && at < all[i].count && !code; at += PIECE) {
        char *bytes = (char *)all[i].bytes + at;
        const int length = all[i].count - at < PIECE ? all[i].count - at : PIECE;
        code = sends ? MPI_Isend(bytes, length, MPI_BYTE, all[i].peer, 0, transfers, &requests[started])
                     : MPI_Irecv(bytes, length, MPI_BYTE, all[i].peer, 0, transfers, &requests[started]);
        started += !code;
      }
  // MPI's own waiting takes a whole core, which the step that goes on meanwhile needs.
  struct timespec pause = {0, SHORTEST_PAUSE};
  for (int left = started, done; left > 0 && !code; left -= done) {
    code = MPI_Testsome(started, requests, &done, finished, MPI_STATUSES_IGNORE);
    if (code || done == left) break;
    if (done > 0)
      pause.tv_nsec = SHORTEST_PAUSE;
    else if (pause.tv_nsec < LONGEST_PAUSE)
      pause.tv_nsec *= 2;
    nanosleep(&pause, NULL);
  }
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
