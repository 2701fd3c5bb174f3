#define _GNU_SOURCE
#include "CMPI.h"
#include <linux/futex.h>
#include <mpi.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/// MPI counts are ints; longer arrays go in pieces of this many elements.
enum { PIECE = 1 << 28 };

enum {
  /// Exchanges go in messages of at most so many bytes, so that one that is done shows that things move.
  MESSAGE = 1 << 20,
  /// Where somebody waits for them: so many looks without anything done before the processor is left to others.
  LOOKS = 200,
};

/// Nanoseconds to the next look: the shortest at first, twice as many after each look that finds nothing, the longest at most.
typedef struct {
  long shortest, longest;
} pauses;

static const pauses while_awaited = {20000, 160000};
/// Where nobody waits. A network moves what its buffers hold by itself, and each look takes several system calls from the step.
static const pauses in_background = {250000, 2000000};

/// Where exchanges travel, apart from the collectives.
static MPI_Comm exchanges;

/// Libraries below MPI take signals for themselves while they start, as UCX takes SIGHUP. What the program has settled holds again
/// afterwards, and a signal that comes meanwhile waits.
static int start_keeping_signals(int *provided) {
  enum { SIGNALS = 32 };
  struct sigaction own[SIGNALS];
  sigset_t kept, before;
  sigemptyset(&kept);
  for (int i = 1; i < SIGNALS; i++)
    if (sigaction(i, NULL, &own[i]) == 0 && own[i].sa_handler != SIG_DFL) sigaddset(&kept, i);
  pthread_sigmask(SIG_BLOCK, &kept, &before);
  int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, provided);
  for (int i = 1; i < SIGNALS; i++)
    if (sigismember(&kept, i) == 1) sigaction(i, &own[i], NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return code;
}

int dms_mpi_start(void) {
  // Where containers forbid to read another process's memory, Open MPI's fast way of copying messages fails.
  char byte = 0, copy;
  struct iovec to = {&copy, 1}, from = {&byte, 1};
  if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != 1) setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
  // Over TCP Open MPI asks before it sends a long message, and the answer waits behind what goes the other way: both directions take
  // turns. So messages of exchanges go unasked; each has its place by then, or soon.
  char limit[32];
  snprintf(limit, sizeof limit, "%d", MESSAGE + 4096);
  setenv("OMPI_MCA_btl_tcp_eager_limit", limit, 0);
  int provided;
  int code = start_keeping_signals(&provided);
  if (!code) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (!code && provided < MPI_THREAD_SERIALIZED) code = MPI_ERR_UNSUPPORTED_OPERATION;
  return code ? code : MPI_Comm_dup(MPI_COMM_WORLD, &exchanges);
}

int dms_mpi_stop(void) {
  int code = MPI_Comm_free(&exchanges);
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

/// In how many pieces messages go.
static int pieces(const dms_message *messages, int count) {
  int result = 0;
  for (int i = 0; i < count; i++) result += (messages[i].count + MESSAGE - 1) / MESSAGE;
  return result;
}

/// Starts to send or to receive messages, piece by piece.
static int start(const dms_message *messages, int count, int sends, int tag, MPI_Request *requests) {
  int code = 0;
  for (int i = 0; i < count; i++)
    for (long at = 0; at < messages[i].count && !code; at += MESSAGE, requests++) {
      char *bytes = (char *)messages[i].bytes + at;
      const int length = messages[i].count - at < MESSAGE ? messages[i].count - at : MESSAGE, peer = messages[i].peer;
      code = sends ? MPI_Isend(bytes, length, MPI_BYTE, peer, tag, exchanges, requests)
                   : MPI_Irecv(bytes, length, MPI_BYTE, peer, tag, exchanges, requests);
    }
  return code;
}

void dms_mpi_set_urgent(int *is_urgent, int value) {
  __atomic_store_n(is_urgent, value, __ATOMIC_RELEASE);
  if (value) syscall(SYS_futex, is_urgent, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/// Leaves the processor to others until the next look, or until somebody waits; `before`: the last pause. Returns the pause.
static long rest(const int *is_urgent, int urgent, long before) {
  const pauses *const kind = urgent ? &while_awaited : &in_background;
  long pause = 2 * before;
  if (pause < kind->shortest) pause = kind->shortest;
  if (pause > kind->longest) pause = kind->longest;
  const struct timespec time = {0, pause};
  if (urgent)
    nanosleep(&time, NULL);
  else
    syscall(SYS_futex, is_urgent, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
  return pause;
}

int dms_mpi_exchange(const dms_message *sends, int send_count, const dms_message *receives, const int *ends, int rounds, int window,
                     int tag, const int *is_urgent, void (*arrived)(const void *, int), const void *context) {
  const int sent = pieces(sends, send_count), all = sent + (rounds > 0 ? pieces(receives, ends[rounds - 1]) : 0);
  MPI_Request requests[all + 1];
  // The round of each request; sends are in one behind the last.
  int round_of[all + 1], finished[all + 1], missing[rounds + 1];
  missing[rounds] = sent;
  int started = 0, left = all, posted = 0, done = 0, is_sending = 0, looks = 0, code = 0;
  long pause = 0;
  while (!code && (left > 0 || done < rounds)) {
    int fresh = 0, round = rounds;
    if (done < posted && missing[done] == 0) {
      arrived(context, done++);
    } else if (posted < rounds && posted < done + window) {
      // Receives go before sends: what arrives finds its place.
      const int first = posted > 0 ? ends[posted - 1] : 0;
      round = posted++;
      fresh = missing[round] = pieces(receives + first, ends[round] - first);
      code = start(receives + first, ends[round] - first, 0, tag, requests + started);
    } else if (!is_sending) {
      is_sending = 1;
      fresh = sent;
      code = start(sends, send_count, 1, tag, requests + started);
    } else {
      int found;
      code = MPI_Testsome(started, requests, &found, finished, MPI_STATUSES_IGNORE);
      for (int i = 0; i < found; i++) missing[round_of[finished[i]]]--;
      left -= found;
      looks = found > 0 ? 0 : looks + 1;
      // MPI's own waiting takes a whole core, which the step that goes on meanwhile needs.
      const int urgent = __atomic_load_n(is_urgent, __ATOMIC_ACQUIRE);
      if (found > 0)
        pause = 0;
      else if (left > 0 && (!urgent || looks > LOOKS))
        pause = rest(is_urgent, urgent, pause);
    }
    for (int i = 0; i < fresh; i++) round_of[started++] = round;
  }
  return code;
}

/// Sums in place over all ranks, in pieces.
static int sum(void *values, long count, int size, MPI_Datatype type) {
  int code = 0;
  for (long i = 0; i < count && !code; i += PIECE)
    code = MPI_Allreduce(MPI_IN_PLACE, (char *)values + i * size, count - i < PIECE ? count - i : PIECE, type, MPI_SUM,
                         MPI_COMM_WORLD);
  return code;
}

int dms_mpi_sum_floats(float *values, long count) { return sum(values, count, sizeof(float), MPI_FLOAT); }

int dms_mpi_sum_doubles(double *values, long count) { return sum(values, count, sizeof(double), MPI_DOUBLE); }

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
