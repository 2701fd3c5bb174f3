#ifndef CSTART_H
#define CSTART_H

/// Lets the signals that ask `train` to stop reach it; from its start until here they wait.
void dms_stop_admit(void);

/// The signal that asked to stop last; 0 where none did.
int dms_stop_requested(void);

/// How often SIGQUIT asked where the program is.
int dms_place_requests(void);

/// The file of this program, to be read or started again. `/proc/self/exe` names the dynamic loader in a release build (see entry.c).
const char *dms_program(void);

#endif
