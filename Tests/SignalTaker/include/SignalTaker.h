/// A library to be preloaded that takes SIGHUP for itself, as UCX does: when it is loaded, and again when MPI starts.
#ifndef SIGNAL_TAKER_H
#define SIGNAL_TAKER_H

int MPI_Init_thread(int *count, char ***arguments, int required, int *provided);

#endif
