/// MPI without its macros, which Swift cannot import. Every call returns 0 or MPI's error code; a long count goes in pieces.
#ifndef CMPI_H
#define CMPI_H

/// Bytes that go to another rank, or come from it.
typedef struct {
  void *bytes;
  long count;
  int peer;
} dms_message;

/// Initialises MPI for calls from one thread at a time; errors are returned, not fatal.
int dms_mpi_start(void);
/// Ends MPI.
int dms_mpi_stop(void);
/// This process's rank and the number of ranks.
int dms_mpi_place(int *rank, int *size);
/// The name of this host; `name` holds 512 bytes.
int dms_mpi_host(char *name);
/// The library's own description of itself; `text` holds 8192 bytes.
int dms_mpi_library(char *text);
/// The text of an error code; `text` holds 1024 bytes.
void dms_mpi_error(int code, char *text);
int dms_mpi_barrier(void);
int dms_mpi_broadcast(void *bytes, long count, int root);
/// Sends and receives messages under `tag`, at most 32767. Receives are done in rounds, of which number i ends before receive ends[i];
/// those of `window` rounds are posted at a time, and `arrived` is called with `context` for each round, in order, once it is all
/// there. Sleeps between looks: briefly while `is_urgent` is not 0, which another thread may change by dms_mpi_set_urgent.
int dms_mpi_exchange(const dms_message *sends, int send_count, const dms_message *receives, const int *ends, int rounds, int window,
                     int tag, const int *is_urgent, void (*arrived)(const void *context, int round), const void *context);
/// Says whether somebody waits for the exchange that has `is_urgent`, and wakes it if so.
void dms_mpi_set_urgent(int *is_urgent, int value);
int dms_mpi_sum_floats(float *values, long count);
int dms_mpi_sum_doubles(double *values, long count);
int dms_mpi_maximum(long long *values, int count);
/// Every rank's `count` bytes one behind another in `all`.
int dms_mpi_all_gather(const void *bytes, int count, void *all);
/// Every rank's bytes, `counts` and `offsets` in bytes.
int dms_mpi_all_gather_parts(const void *bytes, int count, void *all, const int *counts, const int *offsets);
/// Ends every rank of the job; the launcher exits with `code`.
void dms_mpi_abort(int code);

#endif
