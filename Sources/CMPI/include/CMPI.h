#ifndef CMPI_H
#define CMPI_H
/// Initialises MPI; 0 on success.
int dms_mpi_start(void);
#endif
